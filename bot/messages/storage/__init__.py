"""Sentences on what the bot keeps on the disk, for the host.

* ``upgrade``  what a start of this version would do to a data folder, and the steps of an upgrade
* ``damage``   a database or a backup that is lost or damaged, and what to restore

Tests: ``pytest tests/unit/bot/messages/storage``.
"""
