"""The local web page: a chat, its pictures and a panel of the card, on the host's own machine.

``WebChat(desk, card=…, host=…, port=…)`` implements ``bot.chats.contract.Chat``; ``CardPanel`` is the content
of the panel. The page listens on loopback only, has one local person, and loads nothing from other machines.

The package does not know how a picture is made, who may do what, or how a sentence reads. Each browser has
one session (a cookie) with one conversation in memory. At most 100 sessions exist, and 12 hours without use
release a session; its jobs continue, and ``/mine`` finds them.

* ``chat``            opens, serves and closes the page
* ``server``          uvicorn with limits
* ``middleware``      checks Host and Origin, adds headers
* ``routes``          all routes of the page
* ``request_bodies``  JSON → plain values
* ``sessions``        cookie → conversation
* ``conversation``    the messages of one browser
* ``desk_client``     sends commands to the desk
* ``event_stream``    server-sent events
* ``rendering``       messages → HTML, with ``templates/``, ``page.css``, ``page.js`` and ``live.js``
* ``panel``           the content of the card's panel
* ``operator``        the operator tab

Tests of this package alone: ``pytest tests/unit/bot/chats/web tests/integration/web``.
"""

from bot.chats.web.chat import WebChat
from bot.chats.web.operator.sources import OperatorSources
from bot.chats.web.panel import CardPanel

__all__ = ["CardPanel", "OperatorSources", "WebChat"]
