"""What the host wants: jobs in order, cancels in any state, and what to prepare meanwhile."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from engine import wire
from engine.request import LoraChoice, RenderRequest, Stopped
from engine.worker import orders as orders_module
from engine.worker.orders import Orders

A, B, C = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "abc")
SUGAR = LoraChoice("sugar", "a" * 64)
TIMEOUT_S = 5


@dataclass
class Wire:
    """The orders of a worker, and its host's end of the socket."""

    host: socket.socket
    orders: Orders
    stopped: "SimpleQueue[Stopped]"

    def send(self, *orders: wire.HostMessage) -> None:
        for order in orders:
            self.host.sendall(wire.encode(order))

    def settle(self) -> None:
        """Return when everything sent was heard: a marker job that is stopped comes back."""
        marker = RenderRequest("marker", 1, "", 512, 768, 7)
        self.send(marker, wire.CancelJob("marker", 1))
        assert self.stopped.get(timeout=TIMEOUT_S) == Stopped("marker", 1)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    # A worker whose host is gone ends its process; here its reading thread goes to sleep.
    asleep = threading.Event()

    def sleep(status: int) -> None:
        asleep.set()
        threading.Event().wait()

    monkeypatch.setattr(orders_module, "os", SimpleNamespace(_exit=sleep))
    host, worker = socket.socketpair()
    stopped: SimpleQueue[Stopped] = SimpleQueue()
    with host, worker:
        yield Wire(host, Orders(worker, stopped.put), stopped)
        host.shutdown(socket.SHUT_RDWR)
        asleep.wait(TIMEOUT_S)


def test_jobs_are_drawn_in_the_order_they_came(line: Wire) -> None:
    line.send(A, B, C)
    assert [line.orders.next_request() for _ in range(3)] == [A, B, C]


def test_the_drawn_job_is_cancelled_between_two_steps_and_the_next_is_not(line: Wire) -> None:
    line.send(A, B)
    assert line.orders.next_request() == A
    assert not line.orders.is_cancelled()
    line.send(wire.CancelJob("a", 1))
    line.settle()
    assert line.orders.is_cancelled()
    assert line.orders.next_request() == B
    assert not line.orders.is_cancelled()


def test_a_ready_job_that_is_cancelled_is_answered_at_once_and_never_drawn(line: Wire) -> None:
    line.send(A)
    assert line.orders.next_request() == A
    line.send(B, C, wire.CancelJob("b", 1))
    assert line.stopped.get(timeout=TIMEOUT_S) == Stopped("b", 1)
    line.settle()
    assert line.orders.next_to_prepare() == C
    assert line.orders.next_request() == C


@pytest.mark.parametrize(
    "late", [wire.CancelJob("a", 1), wire.CancelJob("a", 7), wire.CancelJob("unknown", 1)]
)
def test_a_cancel_that_finds_nothing_stops_no_later_render_of_the_same_try(
    line: Wire, late: wire.CancelJob
) -> None:
    line.send(late)
    line.settle()
    line.send(A)
    assert line.orders.next_request() == A
    assert not line.orders.is_cancelled()


def test_what_is_drawn_next_is_prepared_before_what_is_foreseen_and_the_newest_foresight_counts(
    line: Wire,
) -> None:
    line.send(A)
    assert line.orders.next_request() == A
    line.send(wire.PrefetchLoras((SUGAR,)), B, wire.PrefetchLoras((replace(SUGAR, name="newer"),)))
    line.settle()
    assert line.orders.next_to_prepare() == B
    assert line.orders.next_to_prepare() == (replace(SUGAR, name="newer"),)


def test_a_job_that_has_begun_is_prepared_no_more(line: Wire) -> None:
    line.send(A)
    assert line.orders.next_request() == A
    line.send(B, wire.PrefetchLoras((SUGAR,)))
    line.settle()
    assert line.orders.next_request() == B
    assert line.orders.next_to_prepare() == (SUGAR,)


def test_at_the_end_everything_stops_and_every_ready_job_is_answered(line: Wire) -> None:
    line.send(A)
    assert line.orders.next_request() == A
    waiting = threading.Thread(target=line.orders.next_to_prepare)
    line.send(B, C, wire.Shutdown())
    assert [line.stopped.get(timeout=TIMEOUT_S) for _ in range(2)] == [Stopped("b", 1), Stopped("c", 1)]
    line.send(replace(A, attempt=2))
    assert line.stopped.get(timeout=TIMEOUT_S) == Stopped("a", 2)
    assert line.orders.is_cancelled()
    assert line.orders.next_request() is None
    waiting.start()
    waiting.join(TIMEOUT_S)
    assert not waiting.is_alive()
