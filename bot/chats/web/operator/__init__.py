"""The operator tab of the page: a login, live charts, the queue, people, LoRAs, the log and the audit.

It is a client of the desk like every chat: each action is a command, with the rights and the record of the
same command in Discord or Telegram. Without a password in the settings it only says how to set one.

* ``logins``     the password, its limit of tries, and who has logged in
* ``sources``    what the tab reads from memory
* ``charts``     readings of the card → paths of SVG
* ``rendering``  the parts of the tab as HTML, with ``templates/``
* ``stream``     server-sent events with the parts that changed
* ``routes``     all routes of the tab, with ``operator.css`` and ``operator.js``

Tests: ``pytest tests/unit/bot/chats/web/operator tests/integration/web/operator``.
"""
