"""The use cases: accept, draw, deliver, tell, cancel, switch, history.

``Desk`` is the door; ``outcomes`` are the frozen facts it answers with. The room knows no platform, no SQL
and no CUDA: chats hand it commands, the store keeps its word, a ``Renderer`` draws.

After a crash: every accepted job is waiting, ended, or tried again, at most three times; it is charged once
if pictures exist and not for those that do not; its parcel is delivered, perhaps twice, at the same message.
Tests of this room alone: ``pytest tests/unit/bot/desk tests/crash``.
"""

from bot.desk.desk import Desk
from bot.desk.drawing import Renderer

__all__ = ["Desk", "Renderer"]
