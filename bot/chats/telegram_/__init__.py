"""Telegram: receives messages and button presses, and shows placeholders, pictures and albums.

The package asks the desk for every decision: rights, prices and drawing are not its concern. The desk's store
holds all its lasting state: raw updates before they are confirmed to Telegram, and the address of each job's
placeholder.

An update takes this path: ``poller`` stores it, ``parsing`` reads it, ``handler`` asks the desk and sends the
reply through ``sender``. A result takes this one: ``delivery`` edits the placeholder through ``sender``.

* ``adapter``       ``TelegramChat`` and its settings: open, serve, close
* ``poller``        the ``getUpdates`` loop, which stores a batch before it confirms it
* ``event_kinds``   the table of all update kinds and what the bot does with each
* ``parsing``       raw update → text, press, rejected message or ignored update
* ``handler``       parsed update → call of the desk → reply, with retries
* ``delivery``      results of jobs, and pictures that people ask for again
* ``placeholders``  progress in placeholder messages, and the registry of those being sent
* ``sender``        texts, pictures and albums: edit or send, topics, migrated groups
* ``rate_limiter``  when a chat may get the next message
* ``controls``      command menus, buttons, answers to presses
* ``address``       chat and message ids of an answer, as the desk stores them

Public: ``TelegramChat`` (a ``bot.chats.contract.Chat``) and ``TelegramConfig``.
Tests: ``pytest tests/integration/telegram tests/unit/bot/chats/telegram_``.
"""

from bot.chats.telegram_.adapter import TelegramChat, TelegramConfig

__all__ = ["TelegramChat", "TelegramConfig"]
