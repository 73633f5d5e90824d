"""Who may do what, and what it costs: pure rules over plain values.

The room knows no database, no clock and no platform library: it is given what it judges and either returns
or raises a ``PersonError``. Nothing here can be lost in a crash.

* ``rules``   what the host settled: hosts, served chats, allowances
* ``rights``  may this person do this, here?
* ``price``   credits of a picture, and how an allowance fills up again

Tests of this room alone: ``pytest tests/unit/bot/policy``.
"""
