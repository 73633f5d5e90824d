"""When Telegram may be asked again; with a clock of our own."""

from collections.abc import Callable

import pytest
from telegram.error import RetryAfter

from bot.chats.telegram_.gate import FLOOD_TRIES, MINUTE_S, Gate, Urgency

PRIVATE, GROUP = 11, -100


class Clock:
    """A clock that a test sets, and that a sleep moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("bot.chats.telegram_.gate.asyncio.sleep", clock.sleep)
    return clock


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock)


def sends(gate: Gate, clock: Clock, chat_id: int, urgency: Urgency, for_s: float) -> int:
    """How many go out when somebody always wants to send."""
    end_s, count = clock.now_s + for_s, 0
    while (wait_s := gate.wait_s(chat_id, urgency)) + clock.now_s < end_s:
        clock.now_s += wait_s
        gate.note(chat_id)
        count += 1
    return count


def test_a_private_chat_sees_one_progress_edit_a_second(gate: Gate, clock: Clock) -> None:
    assert sends(gate, clock, PRIVATE, Urgency.PROGRESS, 10.0) == 10


def test_a_group_sees_a_progress_edit_every_five_seconds_at_most(gate: Gate, clock: Clock) -> None:
    assert sends(gate, clock, GROUP, Urgency.PROGRESS, 60.0) == 12


def test_a_group_gets_twenty_messages_a_minute_at_most(gate: Gate, clock: Clock) -> None:
    assert sends(gate, clock, GROUP, Urgency.RESULT, 0.5) == 20
    assert gate.wait_s(GROUP, Urgency.RESULT) == pytest.approx(MINUTE_S, abs=0.5)
    clock.now_s += MINUTE_S
    assert gate.wait_s(GROUP, Urgency.RESULT) == 0.0


async def test_an_upload_counts_from_when_it_was_answered(gate: Gate, clock: Clock) -> None:
    async def upload() -> None:
        clock.now_s += 30.0

    await gate.call(GROUP, upload, messages=20)
    clock.now_s += MINUTE_S - 1.0
    assert gate.wait_s(GROUP, Urgency.RESULT) == pytest.approx(1.0)


def test_progress_leaves_room_for_results_in_a_group(gate: Gate, clock: Clock) -> None:
    for _ in range(14):
        gate.note(GROUP)
    clock.now_s += 10.0
    assert gate.wait_s(GROUP, Urgency.PROGRESS) > 0.0
    assert gate.wait_s(GROUP, Urgency.RESULT) == 0.0


def test_an_album_waits_until_all_of_it_fits(gate: Gate, clock: Clock) -> None:
    for _ in range(18):
        gate.note(GROUP)
        clock.now_s += 1.0
    assert gate.wait_s(GROUP, Urgency.RESULT, messages=2) == 0.0
    assert gate.wait_s(GROUP, Urgency.RESULT, messages=4) == pytest.approx(MINUTE_S - 17.0)


def test_all_chats_together_get_thirty_a_second(gate: Gate) -> None:
    for chat_id in range(1, 31):
        assert gate.wait_s(chat_id, Urgency.RESULT) == 0.0
        gate.note(chat_id)
    assert 0.0 < gate.wait_s(31, Urgency.RESULT) <= 1.0


def test_a_held_chat_is_left_alone_and_others_are_not(gate: Gate, clock: Clock) -> None:
    gate.hold(PRIVATE, 30.0)
    assert gate.wait_s(PRIVATE, Urgency.RESULT) == 30.0
    assert gate.wait_s(12, Urgency.RESULT) == 0.0
    clock.now_s += 30.0
    assert gate.wait_s(PRIVATE, Urgency.RESULT) == 0.0


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
async def test_a_call_waits_as_long_as_it_is_told_and_gives_up_in_the_end(gate: Gate, clock: Clock) -> None:
    asked_at_s: list[float] = []

    def flooded_for(times: int) -> Callable[[], object]:
        async def request() -> str:
            asked_at_s.append(clock.now_s)
            if len(asked_at_s) <= times:
                raise RetryAfter(7)
            return "sent"

        return request

    assert await gate.call(PRIVATE, flooded_for(1)) == "sent"  # type: ignore[arg-type]
    assert asked_at_s == [1000.0, 1007.0]
    asked_at_s.clear()
    with pytest.raises(RetryAfter):
        await gate.call(PRIVATE, flooded_for(99))  # type: ignore[arg-type]
    assert len(asked_at_s) == FLOOD_TRIES


async def test_two_hundred_results_in_one_group_keep_the_limit(gate: Gate, clock: Clock) -> None:
    sent_at_s: list[float] = []

    async def request() -> None:
        sent_at_s.append(clock.now_s)

    for _ in range(200):
        await gate.call(GROUP, request)
    for start_s in sent_at_s:
        assert sum(start_s <= at_s < start_s + 60.0 for at_s in sent_at_s) <= 20
    assert clock.now_s - 1000.0 == pytest.approx(9 * MINUTE_S, abs=1.0)


async def test_idle_chats_are_forgotten_and_chats_in_use_are_not(gate: Gate, clock: Clock) -> None:
    async def request() -> None:
        pass

    gate.hold(GROUP, 10_000.0)
    for chat_id in range(1, 50_001):
        await gate.call(chat_id, request)
    assert len(gate._chats) < 5_000
    assert gate.wait_s(GROUP, Urgency.RESULT) > 5_000.0
    clock.now_s += 10_000.0
    for _ in range(1_000):
        gate.note(PRIVATE)
    assert set(gate._chats) == {PRIVATE}
