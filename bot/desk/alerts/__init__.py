"""Alerts: what needs a host is reported once to each host's private chat, and once when it is over.

* ``conditions``  what is wrong, by the bot's health at one moment; pure
* ``tracking``    which conditions to report, and which are over; pure
* ``watch``       reads the health every few seconds
* ``checkup``     checks the database once a day
* ``canary``      a small picture when nobody has asked for long
* ``alerts``      stores the alerts and delivers them
* ``sending``     one try to send a message to a private chat

Tests: ``pytest tests/unit/bot/desk/alerts tests/integration/app/test_alerts.py``.
"""
