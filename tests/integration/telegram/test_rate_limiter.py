"""The rate limits, on a clock that the test sets."""

from collections.abc import Callable

import pytest
from telegram.error import RetryAfter

from bot.chats.telegram_.rate_limiter import MAX_FLOOD_TRIES, MINUTE_S, RateLimiter, RequestPriority
from tests.fakes.figures import figure

PRIVATE, GROUP = 11, -100


class Clock:
    """A clock that the test sets and that a sleep moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("bot.chats.telegram_.rate_limiter.asyncio.sleep", clock.sleep)
    return clock


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(clock)


def count_sent(
    limiter: RateLimiter, clock: Clock, chat_id: int, priority: RequestPriority, for_s: float
) -> int:
    """Count the messages that the limiter allows to a sender that always wants to send."""
    end_s, count = clock.now_s + for_s, 0
    while (wait_s := limiter.wait_s(chat_id, priority)) + clock.now_s < end_s:
        clock.now_s += wait_s
        limiter.record_sent(chat_id)
        count += 1
    return count


def test_a_private_chat_sees_one_progress_edit_a_second(limiter: RateLimiter, clock: Clock) -> None:
    assert count_sent(limiter, clock, PRIVATE, RequestPriority.PROGRESS, 10.0) == 10


def test_a_group_sees_a_progress_edit_every_five_seconds_at_most(limiter: RateLimiter, clock: Clock) -> None:
    assert count_sent(limiter, clock, GROUP, RequestPriority.PROGRESS, 60.0) == 12


def test_a_group_gets_twenty_messages_a_minute_at_most(limiter: RateLimiter, clock: Clock) -> None:
    assert count_sent(limiter, clock, GROUP, RequestPriority.RESULT, 0.5) == 20
    assert limiter.wait_s(GROUP, RequestPriority.RESULT) == pytest.approx(MINUTE_S, abs=0.5)
    clock.now_s += MINUTE_S
    assert limiter.wait_s(GROUP, RequestPriority.RESULT) == 0.0


async def test_an_upload_counts_from_its_answer_on(limiter: RateLimiter, clock: Clock) -> None:
    async def upload() -> None:
        clock.now_s += 30.0

    await limiter.run(GROUP, upload, messages=20)
    clock.now_s += MINUTE_S - 1.0
    assert limiter.wait_s(GROUP, RequestPriority.RESULT) == pytest.approx(1.0)


def test_progress_leaves_part_of_a_groups_limit_to_results(limiter: RateLimiter, clock: Clock) -> None:
    for _ in range(14):
        limiter.record_sent(GROUP)
    clock.now_s += 10.0
    assert limiter.wait_s(GROUP, RequestPriority.PROGRESS) > 0.0
    assert limiter.wait_s(GROUP, RequestPriority.RESULT) == 0.0


def test_an_album_waits_until_all_of_it_fits(limiter: RateLimiter, clock: Clock) -> None:
    for _ in range(18):
        limiter.record_sent(GROUP)
        clock.now_s += 1.0
    assert limiter.wait_s(GROUP, RequestPriority.RESULT, messages=2) == 0.0
    assert limiter.wait_s(GROUP, RequestPriority.RESULT, messages=4) == pytest.approx(MINUTE_S - 17.0)


def test_all_chats_together_get_thirty_a_second(limiter: RateLimiter) -> None:
    for chat_id in range(1, 31):
        assert limiter.wait_s(chat_id, RequestPriority.RESULT) == 0.0
        limiter.record_sent(chat_id)
    assert 0.0 < limiter.wait_s(31, RequestPriority.RESULT) <= 1.0


def test_a_paused_chat_gets_nothing_and_others_do(limiter: RateLimiter, clock: Clock) -> None:
    limiter.pause(PRIVATE, 30.0)
    assert limiter.wait_s(PRIVATE, RequestPriority.RESULT) == 30.0
    assert limiter.wait_s(12, RequestPriority.RESULT) == 0.0
    clock.now_s += 30.0
    assert limiter.wait_s(PRIVATE, RequestPriority.RESULT) == 0.0


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
async def test_a_request_waits_as_long_as_telegram_asks_and_finally_gives_up(
    limiter: RateLimiter, clock: Clock
) -> None:
    requested_at_s: list[float] = []

    def flooded_for(times: int) -> Callable[[], object]:
        async def request() -> str:
            requested_at_s.append(clock.now_s)
            if len(requested_at_s) <= times:
                raise RetryAfter(7)
            return "sent"

        return request

    before_s = figure("sugarbot_flood_wait_seconds_total", platform="telegram")
    assert await limiter.run(PRIVATE, flooded_for(1)) == "sent"  # type: ignore[arg-type]
    assert figure("sugarbot_flood_wait_seconds_total", platform="telegram") == before_s + 7
    assert requested_at_s == [1000.0, 1007.0]
    requested_at_s.clear()
    with pytest.raises(RetryAfter):
        await limiter.run(PRIVATE, flooded_for(99))  # type: ignore[arg-type]
    assert len(requested_at_s) == MAX_FLOOD_TRIES


async def test_two_hundred_results_in_one_group_keep_the_limit(limiter: RateLimiter, clock: Clock) -> None:
    sent_at_s: list[float] = []

    async def request() -> None:
        sent_at_s.append(clock.now_s)

    for _ in range(200):
        await limiter.run(GROUP, request)
    for start_s in sent_at_s:
        assert sum(start_s <= at_s < start_s + 60.0 for at_s in sent_at_s) <= 20
    assert clock.now_s - 1000.0 == pytest.approx(9 * MINUTE_S, abs=1.0)


async def test_idle_chats_are_forgotten_and_chats_in_use_are_not(limiter: RateLimiter, clock: Clock) -> None:
    async def request() -> None:
        pass

    limiter.pause(GROUP, 10_000.0)
    for chat_id in range(1, 50_001):
        await limiter.run(chat_id, request)
    assert len(limiter._chats) < 5_000
    assert limiter.wait_s(GROUP, RequestPriority.RESULT) > 5_000.0
    clock.now_s += 10_000.0
    for _ in range(1_000):
        limiter.record_sent(PRIVATE)
    assert set(limiter._chats) == {PRIVATE}
