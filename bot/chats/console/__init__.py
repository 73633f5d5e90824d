"""The console: one message put through the whole house, for ``sugarbot say`` and ``sugarbot demo``.

Door: ``ConsoleChat(desk, out_dir=…)`` implements ``bot.chats.contract.Chat``; its ``say`` waits until the
message is answered and returns a ``ConsoleAnswer``. Paths of pictures and answers go to standard output, one
to a line; progress goes to standard error.

Refuses to know: how a picture is made, who may do what. A job outlives the console: what a crash or
Ctrl-C left behind is drawn at the next start, saved and told on standard error.

Tests of this room alone: ``pytest tests/unit/bot/chats``.
"""

from bot.chats.console.chat import ConsoleAnswer, ConsoleChat

__all__ = ["ConsoleAnswer", "ConsoleChat"]
