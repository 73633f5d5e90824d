"""The local web page: a chat, its pictures and a panel of the card, made with Gradio, for the host's machine.

Door: ``WebChat(desk, card=…, host=…, port=…)`` implements ``bot.chats.contract.Chat``; ``CardView`` is what
the panel shows. It listens on loopback only, has one local person, and loads nothing from elsewhere.

Refuses to know: how a picture is made, who may do what, how a sentence reads. A page is one browser session
with its own conversation in memory; jobs live on when it is closed and are found with ``/mine``.

Inside: ``talks`` (pages and the desk) · ``conversation`` (one page's entries) · ``view`` (entries → HTML,
by ``templates/``) · ``page`` (Gradio, with ``theme``, ``page.css``, ``page.js``) · ``server`` (uvicorn in the
house's own loop) · ``chat`` (open, serve, close).

Tests of this room alone: ``pytest tests/unit/bot/chats tests/integration/web``.
"""

from bot.chats.web_.card import CardView
from bot.chats.web_.chat import WebChat

__all__ = ["CardView", "WebChat"]
