"""Telegram: receives messages and button presses, and shows placeholders, pictures and albums.

The package asks the desk for every decision: rights, prices and drawing are not its concern. The desk's store
holds all its lasting state: raw updates before they are confirmed to Telegram, and the address of each job's
placeholder.

An update takes this path: ``incoming.poller`` stores it, ``incoming.parsing`` reads it, ``incoming.handler``
asks the desk and sends the reply through ``outgoing.sender``. A result takes this one: ``outgoing.delivery``
edits the placeholder through ``outgoing.sender``.

* ``adapter``       ``TelegramChat`` and its settings: open, serve, close
* ``memberships``   which groups of tiers a person is a member of
* ``menus``         the command menus
* ``incoming``      updates: stored, parsed, carried out, answered
* ``outgoing``      messages: placeholders, results, pictures that people ask for again
* ``rate_limiter``  when a chat may get the next message
* ``address``       chat and message ids of an answer, as the desk stores them

Public: ``TelegramChat`` (a ``bot.chats.contract.Chat``) and ``TelegramConfig``.
Tests: ``pytest tests/integration/telegram tests/unit/bot/chats/telegram_``.
"""

from bot.chats.telegram_.adapter import TelegramChat, TelegramConfig

__all__ = ["TelegramChat", "TelegramConfig"]
