"""Handles every error of the worker: its job fails, or the card has failed and the worker ends.

Work on a card is asynchronous: a fault shows in whichever thread asks the card next, perhaps while a later
job is drawn. So the worker names the oldest affected job to the host; the others have lost nothing.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import structlog

from engine import wire
from engine.reporting import JobReporter
from engine.request import Failed, RenderRequest
from engine.worker.failures import describe_failure, is_card_fault, trace
from engine.worker.sender import EventSender

EXIT_CARD_FAULT = 70  # EX_SOFTWARE of sysexits.h
FILES_S = 5.0  # for the files of earlier jobs, whose pixels may have left the card in time
SENT_S = 5.0  # for all messages to reach the host

log = structlog.get_logger("engine.worker")


class FaultHandler:
    """Handles errors; for every thread of the worker.

    Args:
        sender: Sends to the host.
        end_process: Ends the process at once, with this status.
    """

    def __init__(self, sender: EventSender, end_process: Callable[[int], NoReturn] = os._exit) -> None:
        self._sender = sender
        self._end_process = end_process
        self._lock = threading.Lock()
        self._reporters: list[JobReporter] = []  # of jobs that have begun and not ended, oldest first
        self._affected: list[RenderRequest] = []

    def start_job(self, request: RenderRequest) -> JobReporter:
        """Return the reporter of a job that begins; errors of its files are handled here."""
        reporter = JobReporter(request, self._sender.put, self.fail_job)
        with self._lock:
            self._reporters = [*(each for each in self._reporters if not each.has_ended), reporter]
        return reporter

    def wait_for_ends(self) -> None:
        """Return when the end of every job was sent."""
        for reporter in list(self._reporters):
            reporter.wait()

    def fail_job(self, request: RenderRequest, error: Exception) -> Failed:
        """Return the end of a job that failed with this error. Does not return if the card has failed."""
        self._end_if_card_fault(request, error)
        return describe_failure(request, error)

    def check(self, error: Exception) -> None:
        """Handle an error that fails no job. Does not return if the card has failed."""
        self._end_if_card_fault(None, error)

    def _end_if_card_fault(self, request: RenderRequest | None, error: Exception) -> None:
        if not is_card_fault(error):
            return
        with self._lock:
            is_first = not self._affected
            running = [reporter.request for reporter in self._reporters if not reporter.has_ended]
            request = request or (running[0] if running else None)
            job = (request.job_id, request.attempt) if request else ("", 0)
            log.error("card fault", job_id=job[0], attempt=job[1], trace=trace(error))
            if request is not None:
                self._affected.append(request)
        if not is_first:
            threading.Event().wait()  # the first thread that found the fault ends the process
        self._wait_for_earlier(request)
        affected = [reporter.request for reporter in self._reporters if reporter.request in self._affected]
        cause = affected[0] if affected else request
        if cause is not None:
            self._sender.put(wire.CardFault(cause.job_id, cause.attempt))
        self._sender.close(SENT_S)
        self._end_process(EXIT_CARD_FAULT)

    def _wait_for_earlier(self, request: RenderRequest | None) -> None:
        """Give each earlier job time to end or to meet the fault as well."""
        requests = [reporter.request for reporter in self._reporters]
        earlier = self._reporters[: requests.index(request)] if request in requests else []
        deadline_s = time.monotonic() + FILES_S
        while time.monotonic() < deadline_s and not all(
            reporter.has_ended or reporter.request in self._affected for reporter in earlier
        ):
            time.sleep(0.01)
