"""Makes the parts of a desk and connects them.

* ``inputs``  what a desk is built from
* ``parts``   builds it
"""

from bot.desk.build.inputs import DeskInputs
from bot.desk.build.parts import build_desk

__all__ = ["DeskInputs", "build_desk"]
