"""Wrong link codes are counted: by account, by code and in all, for ten minutes each."""

import pytest

from bot.desk.people.attempts import CodeAttempts
from bot.desk.people.linking import LIMITS
from bot.errors import BadLinkCode, OwnLinkCode, TooManyCodes
from tests.fakes.clock import FakeClock

MINUTE_MS = 60_000


class Counter:
    """Attempts on a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.attempts = CodeAttempts(self.clock, LIMITS, BadLinkCode)

    def wrong(self, account: str, code: str) -> int:
        """Try a wrong code; the minutes to wait where it was not even tried, else 0."""
        try:
            with self.attempts.count_attempt(account, code):
                raise BadLinkCode
        except TooManyCodes as refusal:
            minutes = refusal.facts["minutes"]
            assert isinstance(minutes, int)
            return minutes
        except BadLinkCode:
            return 0


def test_an_account_has_five_wrong_codes_in_ten_minutes() -> None:
    counter = Counter()
    assert [counter.wrong("ann", f"code {n}") for n in range(5)] == [0] * 5
    assert counter.wrong("ann", "another") > 0
    assert counter.wrong("ben", "another") == 0


def test_a_code_has_ten_wrong_accounts_in_ten_minutes() -> None:
    counter = Counter()
    assert [counter.wrong(f"account {n}", "code") for n in range(10)] == [0] * 10
    assert counter.wrong("another", "code") > 0
    assert counter.wrong("another", "another code") == 0


def test_all_together_have_a_thousand_in_ten_minutes() -> None:
    counter = Counter()
    assert not any(counter.wrong(f"account {n}", f"code {n}") for n in range(1_000))
    assert counter.wrong("another", "another") > 0


@pytest.mark.parametrize(
    ("later_ms", "minutes"),
    [
        (0, 11),  # ten full minutes and the one that has begun
        (1, 10),
        (MINUTE_MS, 10),
        (MINUTE_MS + 1, 9),
        (9 * MINUTE_MS + 1, 1),
        (10 * MINUTE_MS - 1, 1),
        (10 * MINUTE_MS, 0),
    ],
)
def test_the_wait_is_given_in_started_minutes_until_the_first_attempt_expires(
    later_ms: int, minutes: int
) -> None:
    counter = Counter()
    for n in range(5):
        counter.wrong("ann", f"code {n}")
    counter.clock.advance(ms=later_ms)
    assert counter.wrong("ann", "another") == minutes


def test_each_is_forgotten_after_its_own_ten_minutes() -> None:
    counter = Counter()
    for n in range(5):
        counter.wrong("ann", f"code {n}")
        counter.clock.advance(ms=MINUTE_MS)
    counter.clock.advance(ms=5 * MINUTE_MS)  # ten minutes after the first
    assert counter.wrong("ann", "a") == 0
    assert counter.wrong("ann", "b") == 1 + 1


def test_a_refused_attempt_is_not_counted_and_does_not_prolong_the_wait() -> None:
    counter = Counter()
    for n in range(5):
        counter.wrong("ann", f"code {n}")
    for _ in range(50):
        assert counter.wrong("ann", "code 0") > 0
    assert counter.wrong("ben", "code 0") == 0
    counter.clock.advance(ms=10 * MINUTE_MS)
    assert counter.wrong("ann", "again") == 0


def test_a_right_code_and_another_refusal_are_not_counted() -> None:
    counter = Counter()
    for _ in range(50):
        with counter.attempts.count_attempt("ann", "code"):
            pass
        with pytest.raises(OwnLinkCode), counter.attempts.count_attempt("ann", "code"):
            raise OwnLinkCode
    assert counter.wrong("ann", "code") == 0


def test_attempts_at_the_same_moment_count_each_other() -> None:
    counter = Counter()
    tries = [counter.attempts.count_attempt("ann", f"code {n}") for n in range(6)]
    for one in tries[:5]:
        one.__enter__()
    with pytest.raises(TooManyCodes):
        tries[5].__enter__()
    for one in tries[:5]:
        one.__exit__(None, None, None)
    assert counter.wrong("ann", "code") == 0
