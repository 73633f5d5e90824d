"""Who may do what, and what it costs: pure rules over plain values.

The package knows no database, no clock and no platform library. Its functions return or raise a
``PersonError``; they keep no state. ``rules`` contains what the host decided (hosts, allowed chats, tiers,
limits), whether this person may give this command in this chat, and the credits of a picture and of a day.
``live`` holds the rules that count now.

Tests: ``pytest tests/unit/bot/policy``.
"""
