"""The host's messages: jobs in order, cancels in any state, and what to prepare meanwhile."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from engine import wire
from engine.request import LoraChoice, RenderRequest, Stopped
from engine.worker import receiver as receiver_module
from engine.worker.receiver import MessageReceiver

A, B, C = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "abc")
SUGAR = LoraChoice("sugar", "a" * 64)
TIMEOUT_S = 60


@dataclass
class Link:
    """The receiver of a worker, and the host's end of the socket."""

    host: socket.socket
    receiver: MessageReceiver
    stopped: "SimpleQueue[Stopped]"

    def send(self, *messages: wire.HostMessage) -> None:
        for message in messages:
            self.host.sendall(wire.encode(message))

    def settle(self) -> None:
        """Return when everything sent was handled: a stopped marker job comes back."""
        marker = RenderRequest("marker", 1, "", 512, 768, 7)
        self.send(marker, wire.CancelJob("marker", 1))
        assert self.stopped.get(timeout=TIMEOUT_S) == Stopped("marker", 1)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    # A worker whose host is gone ends its process; here its reading thread goes to sleep.
    asleep = threading.Event()

    def sleep(status: int) -> None:
        asleep.set()
        threading.Event().wait()

    monkeypatch.setattr(receiver_module, "os", SimpleNamespace(_exit=sleep))
    host, worker = socket.socketpair()
    stopped: SimpleQueue[Stopped] = SimpleQueue()
    with host, worker:
        yield Link(host, MessageReceiver(worker, stopped.put), stopped)
        host.shutdown(socket.SHUT_RDWR)
        asleep.wait(TIMEOUT_S)


def test_jobs_are_drawn_in_the_order_of_arrival(link: Link) -> None:
    link.send(A, B, C)
    assert [link.receiver.next_request() for _ in range(3)] == [A, B, C]


def test_the_drawn_job_is_cancelled_between_two_steps_and_the_next_is_not(link: Link) -> None:
    link.send(A, B)
    assert link.receiver.next_request() == A
    assert not link.receiver.is_cancelled()
    link.send(wire.CancelJob("a", 1))
    link.settle()
    assert link.receiver.is_cancelled()
    assert link.receiver.next_request() == B
    assert not link.receiver.is_cancelled()


def test_a_cancelled_ready_job_is_stopped_at_once_and_never_drawn(link: Link) -> None:
    link.send(A)
    assert link.receiver.next_request() == A
    link.send(B, C, wire.CancelJob("b", 1))
    assert link.stopped.get(timeout=TIMEOUT_S) == Stopped("b", 1)
    link.settle()
    assert link.receiver.next_to_prepare() == C
    assert link.receiver.next_request() == C


@pytest.mark.parametrize(
    "late", [wire.CancelJob("a", 1), wire.CancelJob("a", 7), wire.CancelJob("unknown", 1)]
)
def test_a_cancel_that_finds_no_job_stops_no_later_render_of_the_same_attempt(
    link: Link, late: wire.CancelJob
) -> None:
    link.send(late)
    link.settle()
    link.send(A)
    assert link.receiver.next_request() == A
    assert not link.receiver.is_cancelled()


def test_the_next_job_is_prepared_before_prefetched_loras_and_the_newest_prefetch_counts(
    link: Link,
) -> None:
    link.send(A)
    assert link.receiver.next_request() == A
    link.send(wire.PrefetchLoras((SUGAR,)), B, wire.PrefetchLoras((replace(SUGAR, name="newer"),)))
    link.settle()
    assert link.receiver.next_to_prepare() == B
    assert link.receiver.next_to_prepare() == wire.PrefetchLoras((replace(SUGAR, name="newer"),))


def test_a_job_that_is_already_drawn_is_not_prepared(link: Link) -> None:
    link.send(A)
    assert link.receiver.next_request() == A
    link.send(B, wire.PrefetchLoras((SUGAR,)))
    link.settle()
    assert link.receiver.next_request() == B
    assert link.receiver.next_to_prepare() == wire.PrefetchLoras((SUGAR,))


def test_a_shutdown_stops_everything_and_reports_every_ready_job(link: Link) -> None:
    link.send(A)
    assert link.receiver.next_request() == A
    waiting = threading.Thread(target=link.receiver.next_to_prepare)
    link.send(B, C, wire.Shutdown())
    assert [link.stopped.get(timeout=TIMEOUT_S) for _ in range(2)] == [Stopped("b", 1), Stopped("c", 1)]
    link.send(replace(A, attempt=2))
    assert link.stopped.get(timeout=TIMEOUT_S) == Stopped("a", 2)
    assert link.receiver.is_cancelled()
    assert link.receiver.next_request() is None
    waiting.start()
    waiting.join(TIMEOUT_S)
    assert not waiting.is_alive()


def test_withdrawn_loras_come_before_anything_else_for_both_threads(link: Link) -> None:
    link.send(A, wire.PrefetchLoras((SUGAR,)), B)
    assert link.receiver.next_request() == A
    older, newer = wire.WithdrawLoras(("a" * 64,)), wire.WithdrawLoras(("a" * 64, "b" * 64))
    link.send(older, newer)
    link.settle()
    assert link.receiver.next_to_prepare() == newer  # while a job is drawn
    assert link.receiver.next_to_prepare() == B
    assert link.receiver.next_to_prepare() == wire.PrefetchLoras((SUGAR,))
    assert link.receiver.next_request() == newer  # before the next job
    assert link.receiver.next_request() == B


def test_an_idle_worker_forgets_at_once(link: Link) -> None:
    link.send(wire.WithdrawLoras(("a" * 64,)))
    assert link.receiver.next_request() == wire.WithdrawLoras(("a" * 64,))
