"""How people find pictures again: history with search and favourites, recipes by code, settings in files.

* ``words``       a job → the words that it is found by; typed words → a query
* ``indexing``    keeps the search up to date with the jobs
* ``history``     ``/mine``, favourites, and the pictures for Telegram's inline mode
* ``drawing``     ``/sugar`` with a code: the pictures that a job is to have
* ``export``      ``/mine export``: ZIP files of pictures and settings
* ``recipes``     ``/recipe``: what a code or a job means
* ``settings``    ``/info``: the settings in a picture file

Tests: ``pytest tests/unit/bot/desk/finding``.
"""
