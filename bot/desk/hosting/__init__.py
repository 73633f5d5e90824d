"""What hosts do in chats.

* ``permissions``  who is a host, who may use the bot and who may not
* ``audit``        the record of what hosts did

Tests: ``pytest tests/unit/bot/desk/hosting``.
"""
