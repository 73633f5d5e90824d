"""How long pictures and their files stay; ``bot.desk.files`` deletes the files that no picture names.

* ``originals``  replaces originals by previews: old ones, and the oldest while the disk is full
* ``expiry``     lets pictures expire after their days
* ``renaming``   gives files of earlier versions the names of their contents

Tests: ``pytest tests/unit/bot/desk/retention``.
"""
