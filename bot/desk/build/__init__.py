"""Makes the parts of a desk and connects them.

* ``inputs``   what a desk is built from
* ``people``   tiers, credits, rights
* ``loras``    the LoRAs: what draws with them, and what people and hosts do with them
* ``drawing``  what draws jobs
* ``asking``   what turns requests into jobs
* ``finding``  what people do with pictures that are drawn
* ``hosting``  what hosts and newcomers use
* ``parts``    builds the desk of all these
"""

from bot.desk.build.inputs import DeskInputs
from bot.desk.build.parts import build_desk

__all__ = ["DeskInputs", "build_desk"]
