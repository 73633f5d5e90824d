"""The files of pictures, as the database knows them.

* ``queries``  pictures by their age and their form, the files that they name, and loose files

Tests: ``pytest tests/unit/bot/store/pictures``.
"""
