"""Where every error of the worker ends: its job fails, or the card has failed and the worker ends with it.

Work on a card is asynchronous: a fault shows in whichever thread asks the card next, perhaps while a later
job is drawn. So the oldest job that met it is named to the host; the others have lost nothing.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import structlog

from engine import wire
from engine.request import Failed, RenderRequest
from engine.worker.failures import failed, is_card_fault, trace
from engine.worker.reporter import EventSender, JobReporter

EXIT_CARD_FAULT = 70  # EX_SOFTWARE of sysexits.h
FILES_S = 5.0  # for files of earlier jobs, whose pixels may have left the card in time
SENT_S = 5.0  # for everything said to reach the host

log = structlog.get_logger("engine.worker")


class Faults:
    """Judges errors; for every thread of the worker.

    Args:
        answers: The way to the host.
        end_process: Ends the process at once, with this status.
    """

    def __init__(self, answers: EventSender, end_process: Callable[[int], NoReturn] = os._exit) -> None:
        self._answers = answers
        self._end_process = end_process
        self._lock = threading.Lock()
        self._voices: list[JobReporter] = []  # of jobs that have begun and not ended, oldest first
        self._met_by: list[RenderRequest] = []

    def begin(self, request: RenderRequest) -> JobReporter:
        """Begin to speak of a job; one that meets an error is judged here."""
        voice = JobReporter(request, self._answers.put, self.failed)
        with self._lock:
            self._voices = [*(each for each in self._voices if not each.has_ended), voice]
        return voice

    def wait_for_ends(self) -> None:
        """Return when the end of every job was said."""
        for voice in list(self._voices):
            voice.wait()

    def failed(self, request: RenderRequest, error: Exception) -> Failed:
        """Return how the job ends that met this error. Does not return where the card has failed."""
        self._end_if_card_fault(request, error)
        return failed(request, error)

    def ignored(self, error: Exception) -> None:
        """Judge an error that fails no job. Does not return where the card has failed."""
        self._end_if_card_fault(None, error)

    def _end_if_card_fault(self, request: RenderRequest | None, error: Exception) -> None:
        if not is_card_fault(error):
            return
        with self._lock:
            is_first = not self._met_by
            running = [voice.request for voice in self._voices if not voice.has_ended]
            request = request or (running[0] if running else None)
            job = (request.job_id, request.attempt) if request else ("", 0)
            log.error("card fault", job_id=job[0], attempt=job[1], trace=trace(error))
            if request is not None:
                self._met_by.append(request)
        if not is_first:
            threading.Event().wait()  # the thread that met it first ends the process
        self._wait_for_earlier(request)
        met_by = [voice.request for voice in self._voices if voice.request in self._met_by]
        blamed = met_by[0] if met_by else request
        if blamed is not None:
            self._answers.put(wire.CardFault(blamed.job_id, blamed.attempt))
        self._answers.close(SENT_S)
        self._end_process(EXIT_CARD_FAULT)

    def _wait_for_earlier(self, request: RenderRequest | None) -> None:
        """Give each job before this one time to end or to meet the fault as well."""
        requests = [voice.request for voice in self._voices]
        earlier = self._voices[: requests.index(request)] if request in requests else []
        deadline_s = time.monotonic() + FILES_S
        while time.monotonic() < deadline_s and not all(
            voice.has_ended or voice.request in self._met_by for voice in earlier
        ):
            time.sleep(0.01)
