"""The use cases: accept, draw, deliver, tell, cancel, switch, history.

``Desk`` is the door; ``outcomes`` are the frozen facts it answers with. The room knows no platform, no SQL
and no CUDA: chats hand it commands, the store keeps its word, a ``Renderer`` draws.

After a crash: every accepted job is waiting, ended, or tried again, at most three times; it is charged once
if pictures exist and not for those that do not; its result is delivered, perhaps twice, at the same message.
Tests of this room alone: ``pytest tests/unit/bot/desk tests/crash``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.desk.desk import Desk
    from bot.desk.drawing import Renderer

__all__ = ["Desk", "Renderer"]

_ROOMS = {"Desk": "bot.desk.desk", "Renderer": "bot.desk.drawing"}


def __getattr__(name: str) -> object:
    """Import the machinery when it is asked for: words and chats need ``outcomes`` alone, 0.7 s sooner."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
