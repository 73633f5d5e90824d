"""The worker's log: every line that a job causes has the job's id, also from modules that do not know it."""

import io
import json
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from engine import wire
from engine.reporting import JobEnd, JobReporter
from engine.request import RenderRequest, Stopped
from engine.worker.__main__ import log_to_stderr
from engine.worker.faults import FaultHandler
from engine.worker.sender import EventSender
from engine.worker.serve import _draw, _prepare_all

JOB = RenderRequest("job-a", 2, "a face", 512, 768, 7)


class LoggingPipeline:
    """Logs as a module deep in the pipeline."""

    def draw(self, request: RenderRequest, reporter: JobReporter, is_cancelled: object) -> JobEnd:
        structlog.get_logger("engine.zimage").warning("deep in the pipeline")
        return Stopped(request.job_id, request.attempt)

    def prepare(self, request: RenderRequest) -> None:
        raise LookupError

    def prefetch(self, loras: object, files: object) -> None:
        raise LookupError


class Receiver:
    def __init__(self, *items: object) -> None:
        self.items = [*items]

    def next_to_prepare(self) -> object | None:
        return self.items.pop(0) if self.items else None


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> FaultHandler:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        return FaultHandler(EventSender(ours))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log of a worker."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_to_stderr()
    yield stream
    structlog.reset_defaults()


def lines_of(written: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_from_deep_in_the_pipeline_names_the_job(faults: FaultHandler, written: io.StringIO) -> None:
    _draw(LoggingPipeline(), JOB, faults.start_job(JOB), lambda: False, faults)  # type: ignore[arg-type]
    structlog.get_logger("engine.zimage").warning("between two jobs")

    inside, ended, between = lines_of(written)
    assert [(line["job_id"], line["attempt"]) for line in (inside, ended)] == [("job-a", 2)] * 2
    assert ended["event"] == "job stopped"  # as this pipeline says
    assert "job_id" not in between


def test_a_line_about_preparing_names_the_job_and_one_about_prefetching_none(
    faults: FaultHandler, written: io.StringIO
) -> None:
    _prepare_all(LoggingPipeline(), Receiver(JOB, wire.PrefetchLoras(())), faults)  # type: ignore[arg-type]

    prepared, prefetched = lines_of(written)
    assert prepared["job_id"] == "job-a"
    assert "job_id" not in prefetched
