"""A fault of the card in any thread ends the worker and names the oldest affected job."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from engine import wire
from engine.reporting import Encoded
from engine.request import Drawn, Failed, FailReason, Finished, Picture, RenderRequest, Timings
from engine.worker import faults as faults_module
from engine.worker.faults import FaultHandler
from engine.worker.sender import EventSender

A, B, C = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "abc")
TIMEOUT_S = 60


class AcceleratorError(RuntimeError):
    """Named as in torch."""


def a_fault() -> AcceleratorError:
    return AcceleratorError("CUDA error: an illegal memory access was encountered")


class ProcessEnds(BaseException):
    """Stands in for the end of the process."""


@dataclass
class Worker:
    """A fault handler whose process only notes that it ends."""

    host: socket.socket
    faults: FaultHandler
    statuses: list[int] = field(default_factory=list)
    has_ended: threading.Event = field(default_factory=threading.Event)

    def sent(self) -> list[wire.Message]:
        """All that reached the host, once the worker has ended."""
        assert self.has_ended.wait(TIMEOUT_S)
        self.host.settimeout(0.2)
        messages: list[wire.Message] = []
        try:
            while (message := wire.receive_blocking(self.host)) is not None:
                messages.append(message)
        except TimeoutError:
            pass
        return messages

    def end_process(self, status: int) -> None:
        self.statuses.append(status)
        self.has_ended.set()
        raise ProcessEnds


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    monkeypatch.setattr(faults_module, "FILES_S", 60.0)  # a thread of a busy machine may begin late
    host, theirs = socket.socketpair()
    with host, theirs:
        made = Worker(host, None)  # type: ignore[arg-type]
        made.faults = FaultHandler(EventSender(theirs), made.end_process)  # type: ignore[arg-type]
        yield made


def in_thread(worker: Worker, request: RenderRequest, error: Exception) -> threading.Thread:
    thread = threading.Thread(target=worker.faults.fail_job, args=[request, error], daemon=True)
    thread.start()
    return thread


def test_any_other_error_fails_its_job_alone(worker: Worker) -> None:
    worker.faults.start_job(A)
    assert worker.faults.fail_job(A, KeyError()) == Failed("a", 1, FailReason.WORKER_ERROR, "KeyError")
    worker.faults.check(KeyError())
    assert worker.statuses == []


def test_a_fault_while_drawing_names_its_job_and_ends_the_worker(worker: Worker) -> None:
    worker.faults.start_job(A)
    with pytest.raises(ProcessEnds):
        worker.faults.fail_job(A, a_fault())
    assert worker.sent() == [wire.CardFault("a", 1)]
    assert worker.statuses == [70]


def test_a_fault_in_a_files_thread_names_that_files_job_and_not_the_one_being_drawn(worker: Worker) -> None:
    first = worker.faults.start_job(A)
    file: Future[Encoded] = Future()
    first.report_picture(file)
    first.report_end(lambda: Finished("a", 1, Timings()))
    worker.faults.start_job(B)
    threading.Thread(target=file.set_exception, args=[a_fault()], daemon=True).start()
    assert worker.sent() == [wire.CardFault("a", 1)]


def test_a_fault_while_the_timings_are_read_ends_the_worker(worker: Worker) -> None:
    reporter = worker.faults.start_job(A)

    def finish() -> Finished:
        raise a_fault()

    with pytest.raises(ProcessEnds):
        reporter.report_end(finish)
    assert worker.sent() == [wire.CardFault("a", 1)]


def test_an_earlier_job_whose_picture_left_the_card_in_time_ends_first(worker: Worker) -> None:
    first = worker.faults.start_job(A)
    file: Future[Encoded] = Future()
    first.report_picture(file)
    first.report_end(lambda: Finished("a", 1, Timings(denoise_s=1.0)))
    worker.faults.start_job(B)
    in_thread(worker, B, a_fault())
    picture = Picture(0, 7, 512, 768, b"png")
    file.set_result(Encoded(picture, 0.5))
    assert worker.sent() == [
        Drawn("a", 1, picture),
        Finished("a", 1, Timings(denoise_s=1.0, encode_s=0.5)),
        wire.CardFault("b", 1),
    ]


def test_of_several_affected_jobs_the_oldest_is_named(worker: Worker) -> None:
    for request in (A, B, C):
        worker.faults.start_job(request)
    in_thread(worker, C, a_fault())
    in_thread(worker, B, a_fault())
    in_thread(worker, A, a_fault())
    assert worker.sent() == [wire.CardFault("a", 1)]
    assert worker.statuses == [70]


def test_the_wait_for_an_earlier_job_has_an_end(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults_module, "FILES_S", 0.1)
    worker.faults.start_job(A)
    worker.faults.start_job(B)
    in_thread(worker, B, a_fault())
    assert worker.sent() == [wire.CardFault("b", 1)]


def test_a_fault_while_preparing_names_the_drawn_job(worker: Worker) -> None:
    ended = worker.faults.start_job(A)
    ended.report_end(Failed("a", 1, FailReason.WORKER_ERROR))
    worker.faults.start_job(B)
    with pytest.raises(ProcessEnds):
        worker.faults.check(a_fault())
    assert worker.sent()[-1] == wire.CardFault("b", 1)


def test_a_fault_while_nothing_is_drawn_names_no_job(worker: Worker) -> None:
    with pytest.raises(ProcessEnds):
        worker.faults.check(a_fault())
    assert worker.sent() == []
    assert worker.statuses == [70]
