"""The console: sends one message through the whole application, for ``sugarbot say`` and ``sugarbot demo``.

``ConsoleChat(desk, out_dir=…)`` implements ``bot.chats.contract.Chat``. Its method ``say`` waits for the
answer and returns a ``ConsoleAnswer``. Answers and the paths of pictures go to standard output, one to a
line; progress goes to standard error.

The package does not know how a picture is made or who may do what. A job outlives its process: after a crash
or Ctrl-C, the next process draws it, saves it and prints its paths on standard error.

* ``chat``      sends a message, waits for the answer, saves the pictures
* ``progress``  shows a job's progress on a terminal or in a log

Tests of this package alone: ``pytest tests/unit/bot/chats/console``.
"""

from bot.chats.console.chat import ConsoleAnswer, ConsoleChat

__all__ = ["ConsoleAnswer", "ConsoleChat"]
