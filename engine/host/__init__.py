"""The parent side of the worker process: starts it, sends it jobs, watches it, and replaces it.

* ``host``            draws jobs, one worker after another
* ``state``           the states of the worker
* ``worker_process``  one worker: start, send, receive, end; its jobs, and which of them its end is blamed on;
                      what it holds of its device, and how long it may be silent
* ``environment``     the environment variables of a worker
* ``report``          the card and its worker as a host sees them
* ``output``          what a worker prints, as entries of our log

A worker that ends or hangs costs its present job one attempt. No state outlives a worker, so nothing needs
repair. Never imports torch; knows no people.

Tests: ``pytest tests/integration/engine tests/unit/engine/host``.
"""

from engine.host.host import Host
from engine.host.report import CardReport, WorkerError
from engine.host.state import CAN_DRAW, HostState
from engine.host.worker_process import MAX_IN_FLIGHT

__all__ = ["CAN_DRAW", "MAX_IN_FLIGHT", "CardReport", "Host", "HostState", "WorkerError"]
