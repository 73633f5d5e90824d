"""Telegram: messages and presses in, placeholders, albums and captions out.

The room refuses to know who may do what, what a picture costs and how it is drawn; it asks the desk. All it
remembers stands in the desk's store: raw updates before they are confirmed to Telegram, and with each job
where its placeholder is. After a crash unsettled updates are answered first; the same message makes no
second job. A picture is shown by an edit alone; what a crash can still show twice is said in ``delivery``.

Public: ``TelegramChat`` (a ``bot.chats.contract.Chat``) and ``TelegramConfig``.
Tests of this room alone: ``pytest tests/integration/telegram``.
"""

from bot.chats.telegram_.adapter import TelegramChat, TelegramConfig

__all__ = ["TelegramChat", "TelegramConfig"]
