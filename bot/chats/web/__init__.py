"""The local web page: a chat, its pictures and a panel of the card, for the host's own machine.

``WebChat(desk, card=…, host=…, port=…)`` implements ``bot.chats.contract.Chat``; ``CardView`` is what the
panel shows. The page listens on loopback only, has one local person, and loads nothing from elsewhere.

It does not know how a picture is made, who may do what, or how a sentence reads. A browser is one session
(cookie) with one conversation in memory, at most 100 of them, each released after 12 hours without use; jobs
go on without it and are found with ``/mine``.

Inside: ``chat`` (open, serve, close) · ``server`` (uvicorn with limits) · ``guard`` (Host, Origin, headers) ·
``routes`` (all there are) · ``body`` and ``incoming`` (JSON → plain values) · ``sessions`` (cookie →
conversation) · ``conversation`` (entries) · ``talks`` (asks the desk) · ``events`` (server-sent events) ·
``view`` (entries → HTML, by ``templates/``, with ``page.css`` and ``page.js``).

Tests of this package alone: ``pytest tests/unit/bot/chats/web tests/integration/web``.
"""

from bot.chats.web.card import CardView
from bot.chats.web.chat import WebChat

__all__ = ["CardView", "WebChat"]
