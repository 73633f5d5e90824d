"""People: chats in, pictures out, quotas and history.

The room never imports torch. Data flows one way: ``chats`` translate a message into a frozen command,
``desk`` decides and records, ``engine`` draws, ``chats`` deliver. What a person was told survives a crash
of this process: it stands in the store before it is said.

Tests of this room alone: ``pytest tests/unit/bot tests/integration``.
"""
