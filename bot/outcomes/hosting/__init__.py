"""What hosts see and decide, what others see of it, and what the desk tells hosts.

* ``service``  whether the bot draws and takes requests; the answer to ``/status``
* ``alerts``   what is wrong, and that it is over
"""

from bot.outcomes.hosting.service import (
    DrawingPaused,
    Service,
    ServiceChanged,
    ServiceMode,
    StatusShown,
    UnfinishedJob,
)

__all__ = ["DrawingPaused", "Service", "ServiceChanged", "ServiceMode", "StatusShown", "UnfinishedJob"]
