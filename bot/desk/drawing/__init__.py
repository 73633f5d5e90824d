"""From the line to the renderer and back: whose turn it is, and what the renderer's answer means for the job.

* ``loop``       claims the next job while one is drawn, and sees each through to its end
* ``recorder``   what an answer, or its lack, means: ended, or back into the line with or without a try less
* ``foresight``  which LoRAs the next jobs need, told to the renderer before their turn

A crash leaves jobs ``running`` under a lease that nobody holds; ``Drawing.recover`` finds them at the next
start. Tests: ``pytest tests/unit/bot/desk/drawing``.
"""

from bot.desk.drawing.loop import Drawing, Renderer
from bot.desk.drawing.prefetch import LoraPrefetch
from bot.desk.drawing.recorder import MAX_ATTEMPTS

__all__ = ["MAX_ATTEMPTS", "Drawing", "LoraPrefetch", "Renderer"]
