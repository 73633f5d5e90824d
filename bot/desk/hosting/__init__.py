"""What hosts do in chats.

* ``permissions``  who is a host, who may use the bot and who may not
* ``bans``         exclude people, and let them come back
* ``grants``       credits that hosts give and take
* ``access``       which chats, servers and people the bot serves
* ``subjects``     whom a host means
* ``statistics``   the answer to ``/stats``; counts refusals
* ``queue``        the answer to ``/queue``
* ``pausing``      pause the drawing, let the queue run empty, go on
* ``status``       the answer to ``/status``
* ``reloading``    settings that count without a restart
* ``audit``        the record of what hosts did

Tests: ``pytest tests/unit/bot/desk/hosting``.
"""
