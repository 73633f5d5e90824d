"""What hosts see and decide, what others see of it, and what the desk tells hosts.

* ``service``     whether the bot draws and takes requests; the answer to ``/status``
* ``statistics``  what the bot did in the last days
* ``diagnosis``   what a running bot finds of itself
* ``people``      who waits for which job, who is banned, who is allowed
* ``oversight``   people with their credits and jobs; what hosts did
* ``alerts``      what is wrong, and that it is over
"""

from bot.outcomes.hosting.diagnosis import Diagnosis, FoundFault
from bot.outcomes.hosting.oversight import (
    HostAction,
    HostActionListing,
    PeopleListing,
    PersonSummary,
)
from bot.outcomes.hosting.people import (
    AccessChanged,
    AccessListing,
    BanListing,
    BanShown,
    CreditsGranted,
    DailyCreditsGranted,
    PersonBanned,
    PersonUnbanned,
    QueuedJob,
    QueueListing,
    Who,
)
from bot.outcomes.hosting.service import (
    DrawingPaused,
    Service,
    ServiceChanged,
    ServiceMode,
    StatusShown,
    UnfinishedJob,
)
from bot.outcomes.hosting.statistics import Span, StatisticsShown

__all__ = [
    "AccessChanged",
    "AccessListing",
    "BanListing",
    "BanShown",
    "CreditsGranted",
    "DailyCreditsGranted",
    "Diagnosis",
    "DrawingPaused",
    "FoundFault",
    "HostAction",
    "HostActionListing",
    "PeopleListing",
    "PersonBanned",
    "PersonSummary",
    "PersonUnbanned",
    "QueueListing",
    "QueuedJob",
    "Service",
    "ServiceChanged",
    "ServiceMode",
    "Span",
    "StatisticsShown",
    "StatusShown",
    "UnfinishedJob",
    "Who",
]
