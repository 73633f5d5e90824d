"""The parent's side of the worker process: starts it, gives it jobs, watches it, starts it anew.

* ``host``  renders one after the other over all the workers there are in time
* ``life``  one worker, from its start to its end
* ``hand``  the jobs that one worker has been given, and which of them its end is to be blamed on
* ``output``  what a worker prints, on its way into our log

A worker that dies or hangs costs the job it drew one try and is replaced; no state outlives it, so nothing
has to be repaired. Knows no torch and no people.

Tests: ``pytest tests/integration/engine tests/unit/engine/host``.
"""

from engine.host.hand import MAX_IN_FLIGHT
from engine.host.host import Host

__all__ = ["MAX_IN_FLIGHT", "Host"]
