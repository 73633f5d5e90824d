"""The password opens a session; wrong ones are limited; a login ends by itself."""

import asyncio

import pytest
import structlog

from bot.chats.web.operator.logins import (
    IDLE_S,
    MAX_LOGINS,
    MAX_WRONG,
    PAUSES_S,
    WRONG_WITHIN_S,
    OperatorLogins,
    TooManyTries,
    WrongPassword,
)
from bot.settings import PasswordHash

PASSWORD = "a gate of jade"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.settings.password._COST", 2)


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def make() -> tuple[OperatorLogins, Clock]:
    clock, password = Clock(), PasswordHash.of(PASSWORD)
    return OperatorLogins(lambda: password, clock=clock), clock


async def fail(logins: OperatorLogins, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(WrongPassword):
            await logins.log_in("one", "another one")


async def test_the_password_logs_in_one_session_and_no_other() -> None:
    logins, _ = make()
    secret = await logins.log_in("one", PASSWORD)

    assert logins.is_logged_in("one", secret)
    assert not logins.is_logged_in("two", secret)
    assert not logins.is_logged_in("one", "")
    assert not logins.is_logged_in("one", "x" * 43)


async def test_a_changed_password_ends_every_login_and_the_same_one_read_again_ends_none() -> None:
    present = [PasswordHash.of(PASSWORD)]
    logins = OperatorLogins(lambda: present[-1])
    secret = await logins.log_in("one", PASSWORD)
    present.append(PasswordHash.of(PASSWORD))
    assert logins.is_logged_in("one", secret)
    present.append(PasswordHash.of("a gate of iron"))
    assert not logins.is_logged_in("one", secret)
    present.append(PasswordHash.of(PASSWORD))
    assert not logins.is_logged_in("one", secret), "it has ended"
    assert await logins.log_in("one", PASSWORD)


@pytest.mark.parametrize("wrong", ["", "a gate of jad", "a gate of jade ", "A gate of jade", "x" * 200])
async def test_another_password_logs_nobody_in(wrong: str) -> None:
    logins, _ = make()
    with pytest.raises(WrongPassword):
        await logins.log_in("one", wrong)


async def test_without_a_password_nobody_logs_in() -> None:
    logins = OperatorLogins(lambda: None)
    assert not logins.has_password
    for wrong in ("", "None", PASSWORD):
        with pytest.raises(WrongPassword):
            await logins.log_in("one", wrong)


async def test_each_login_has_a_new_secret_and_ends_the_earlier_one_of_its_session() -> None:
    logins, _ = make()
    first = await logins.log_in("one", PASSWORD)
    other = await logins.log_in("two", PASSWORD)
    second = await logins.log_in("one", PASSWORD)

    assert len({first, other, second}) == 3
    assert not logins.is_logged_in("one", first)
    assert logins.is_logged_in("one", second)
    assert logins.is_logged_in("two", other)


async def test_a_log_out_ends_the_login_of_this_session() -> None:
    logins, _ = make()
    secret, other = await logins.log_in("one", PASSWORD), await logins.log_in("two", PASSWORD)
    logins.log_out("one")
    assert not logins.is_logged_in("one", secret)
    assert logins.is_logged_in("two", other)


async def test_a_login_ends_after_hours_without_use_and_a_stream_is_no_use() -> None:
    logins, clock = make()
    secret = await logins.log_in("one", PASSWORD)
    clock.now_s += IDLE_S - 1
    assert logins.is_logged_in("one", secret)
    clock.now_s += IDLE_S - 1
    assert logins.is_logged_in("one", secret, is_used=False)
    clock.now_s += 1
    assert not logins.is_logged_in("one", secret)
    clock.now_s -= IDLE_S
    assert not logins.is_logged_in("one", secret)  # it has ended for good


async def test_wrong_passwords_of_all_sessions_close_the_login_for_a_growing_time() -> None:
    logins, clock = make()
    for pause_s in (*PAUSES_S, PAUSES_S[-1]):
        await fail(logins, MAX_WRONG)
        with pytest.raises(TooManyTries) as refused:
            await logins.log_in("two", PASSWORD)  # not even the right one
        assert refused.value.wait_s == pause_s
        clock.now_s += pause_s - 1
        with pytest.raises(TooManyTries):
            await logins.log_in("two", PASSWORD)
        clock.now_s += 1

    assert await logins.log_in("two", PASSWORD)
    await fail(logins, MAX_WRONG)
    with pytest.raises(TooManyTries) as refused:
        await logins.log_in("two", PASSWORD)
    assert refused.value.wait_s == PAUSES_S[0]  # who knows the password ends the growth


async def test_slow_mistakes_and_mistakes_before_the_right_one_close_nothing() -> None:
    logins, clock = make()
    for _ in range(3 * MAX_WRONG):
        await fail(logins)
        clock.now_s += WRONG_WITHIN_S / (MAX_WRONG - 1) + 1
    clock.now_s += WRONG_WITHIN_S
    await fail(logins, MAX_WRONG - 1)
    assert await logins.log_in("one", PASSWORD)
    await fail(logins, MAX_WRONG - 1)
    assert await logins.log_in("one", PASSWORD)


async def test_a_burst_of_wrong_passwords_passes_no_more_than_the_limit() -> None:
    logins, _ = make()
    tries = await asyncio.gather(
        *(logins.log_in("one", "another") for _ in range(20)), return_exceptions=True
    )
    assert [type(each) for each in tries].count(WrongPassword) == MAX_WRONG
    assert [type(each) for each in tries].count(TooManyTries) == 20 - MAX_WRONG


async def test_a_limited_number_of_sessions_stays_logged_in() -> None:
    logins, _ = make()
    secrets = [await logins.log_in(str(number), PASSWORD) for number in range(MAX_LOGINS + 1)]
    assert not logins.is_logged_in("0", secrets[0])
    assert all(logins.is_logged_in(str(number), secrets[number]) for number in range(1, MAX_LOGINS + 1))


async def test_a_wrong_password_is_logged_without_its_text() -> None:
    logins, _ = make()
    with structlog.testing.capture_logs() as events:
        await fail(logins, MAX_WRONG)
        with pytest.raises(TooManyTries):
            await logins.log_in("one", PASSWORD)
    assert [event["event"] for event in events] == ["wrong operator password"] * MAX_WRONG + [
        "operator login closed"
    ]
    assert "another one" not in repr(events)
    assert PASSWORD not in repr(events)


async def test_memory_holds_no_secret_and_no_password() -> None:
    logins, _ = make()
    secret = await logins.log_in("one", PASSWORD)
    assert secret not in repr(vars(logins))
    assert PASSWORD not in repr(vars(logins))
