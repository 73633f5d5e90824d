"""The supervisor opens a failed chat again; the loss of the last chat ends the application."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import structlog

from bot.chats.supervisor import FAILURE_RULES, ChatSupervisor, keep_running
from bot.errors import PackageMissing, PlatformUnreachable, TokenRefused
from bot.outcomes import Platform
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import until
from tests.fakes.figures import figure

GONE = PlatformUnreachable(platform="discord", detail="a test says so")
REFUSED = TokenRefused(platform="discord")


class ScriptedChat(FakeChat):
    """Opens and serves with the results that a test sets: an error, or None for success."""

    def __init__(
        self, *, opening: list[Exception | None], serving: list[Exception | None], slow_s: float = 0
    ) -> None:
        super().__init__(Platform.DISCORD)
        self.opening = deque(opening)
        self.serving = deque(serving)
        self.opened = 0
        self.is_serving = False
        self.wake = asyncio.Event()  # lets a serving chat go on to its next error
        self._slow_s = slow_s

    async def open(self) -> None:
        await asyncio.sleep(self._slow_s)
        self.opened += 1
        if self.opening and (error := self.opening.popleft()):
            raise error

    async def serve(self) -> None:
        self.is_serving = True
        if self.serving and (error := self.serving.popleft()):
            self.is_serving = False
            raise error
        await self.wake.wait()
        self.is_serving = False
        if self.serving and (error := self.serving.popleft()):
            raise error


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.chats.supervisor.RETRY_PAUSES_S", (0.01, 0.02))


@asynccontextmanager
async def supervised(*chats: ScriptedChat) -> AsyncIterator[list[asyncio.Task[None]]]:
    supervisor = ChatSupervisor(chats, lambda: "en")
    tasks = [asyncio.create_task(supervisor.keep_open(chat)) for chat in chats]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def working_chat() -> ScriptedChat:
    return ScriptedChat(opening=[], serving=[])


async def test_a_chat_whose_session_is_refused_later_leaves_the_others_and_is_tried_again() -> None:
    lost, other = ScriptedChat(opening=[None, REFUSED, None], serving=[REFUSED]), working_chat()
    async with supervised(lost, other) as tasks:
        await until(lambda: lost.opened == 3 and lost.is_serving)
        assert other.is_serving
        assert other.opened == 1
        assert not any(task.done() for task in tasks)


async def test_a_chat_that_cannot_be_reached_is_tried_until_it_can() -> None:
    away = ScriptedChat(opening=[GONE, GONE, GONE, None], serving=[GONE, None])
    async with supervised(away) as tasks:
        await until(lambda: away.opened == 5 and away.is_serving)
        assert not tasks[0].done()


async def test_a_slow_chat_delays_no_other_chat() -> None:
    slow, quick = ScriptedChat(opening=[], serving=[], slow_s=100), working_chat()
    async with supervised(slow, quick):
        await until(lambda: quick.is_serving)
        assert not slow.opened


async def test_a_token_refused_at_the_start_ends_the_application() -> None:
    refused = ScriptedChat(opening=[REFUSED], serving=[])
    async with supervised(refused, working_chat()) as tasks:
        await asyncio.wait([tasks[0]], timeout=1)
        assert tasks[0].exception() is REFUSED


async def test_the_loss_of_the_last_chat_ends_the_application() -> None:
    first, last = ScriptedChat(opening=[None], serving=[REFUSED]), working_chat()
    first.opening.extend([REFUSED] * 100)
    async with supervised(first, last) as tasks:
        await until(lambda: first.opened > 1)
        assert not tasks[0].done()
    alone = ScriptedChat(opening=[None], serving=[REFUSED])
    async with supervised(alone) as tasks:
        await asyncio.wait(tasks, timeout=1)
        assert tasks[0].exception() is REFUSED


@pytest.mark.parametrize("when", ["opening", "serving"])
async def test_an_unknown_error_restarts_its_chat_alone_and_leaves_its_traceback(
    when: str,
) -> None:
    failing = ScriptedChat(
        opening=[KeyError("x"), None, None] if when == "opening" else [None, None],
        serving=[None] if when == "opening" else [KeyError("x"), None],
    )
    other = working_chat()
    with structlog.testing.capture_logs() as logs:
        async with supervised(failing, other) as tasks:
            await until(lambda: failing.opened == 2 and failing.is_serving)
            assert other.is_serving
            assert other.opened == 1
            assert not any(task.done() for task in tasks)
    [event] = [each for each in logs if each["event"] == "chat failed"]
    assert event["exc_info"] is True
    assert event["platform"] == "discord"


async def test_the_only_chat_is_restarted_after_an_unknown_error() -> None:
    alone = ScriptedChat(opening=[None] * 5, serving=[KeyError("x"), RuntimeError("y"), None])
    async with supervised(alone) as tasks:
        await until(lambda: alone.opened == 3 and alone.is_serving)
        assert not tasks[0].done()


async def test_a_chat_waits_longer_from_failure_to_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    failing = ScriptedChat(opening=[KeyError("x")] * 4, serving=[])
    monkeypatch.setattr("bot.chats.supervisor.RETRY_PAUSES_S", (1.0, 2.0, 3.0))
    monkeypatch.setattr("bot.chats.supervisor.asyncio.sleep", sleep)
    async with supervised(failing):
        while not failing.is_serving:
            await real(0)
    assert [each for each in waits if each] == [1.0, 2.0, 3.0, 3.0]


async def test_a_background_job_that_fails_is_logged_and_restarted() -> None:
    calls: list[int] = []

    async def job() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            raise ValueError("x")

    with structlog.testing.capture_logs() as logs:
        await keep_running("tidy", job)
    assert len(calls) == 3
    assert [(each["event"], each["job"]) for each in logs] == [("background job failed", "tidy")] * 2
    assert all(each["exc_info"] for each in logs)


async def test_a_missing_package_ends_its_chat_alone() -> None:
    missing = ScriptedChat(opening=[ModuleNotFoundError("x", name="uvicorn")] * 100, serving=[])
    other = working_chat()
    with structlog.testing.capture_logs() as logs:
        async with supervised(missing, other) as tasks:
            await until(lambda: missing.opened > 1 and other.is_serving)
            assert not any(task.done() for task in tasks)
    lost = next(each for each in logs if each["event"] == "chat lost")
    assert "uvicorn" in lost["why"]


async def test_a_missing_package_of_the_only_chat_ends_the_application() -> None:
    missing = ScriptedChat(opening=[ModuleNotFoundError("x", name="uvicorn")], serving=[])
    async with supervised(missing) as tasks:
        await asyncio.wait(tasks, timeout=1)
        error = tasks[0].exception()
    assert isinstance(error, PackageMissing)
    assert error.facts["package"] == "uvicorn"


async def test_a_chat_is_open_only_while_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.chats.supervisor.RETRY_PAUSES_S", (60.0,))
    for chat, is_open in (
        (working_chat(), True),
        (ScriptedChat(opening=[GONE], serving=[]), False),
        (ScriptedChat(opening=[None], serving=[GONE]), False),
    ):
        supervisor = ChatSupervisor([chat], lambda: "en")
        assert not supervisor.is_open(chat)
        task = asyncio.create_task(supervisor.keep_open(chat), name="chat")
        await supervisor.wait_until_tried()
        state = partial(supervisor.is_open, chat)
        await until(lambda state=state, is_open=is_open: state() is is_open)  # type: ignore[misc]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_lost_chat_waits_the_longest_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    lost, other = ScriptedChat(opening=[None, REFUSED, REFUSED], serving=[REFUSED]), working_chat()
    monkeypatch.setattr("bot.chats.supervisor.RETRY_PAUSES_S", (1.0, 2.0, 3.0))
    monkeypatch.setattr("bot.chats.supervisor.asyncio.sleep", sleep)
    async with supervised(lost, other):
        while lost.opened < 4:
            await real(0)
    assert [each for each in pauses if each] == [3.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (GONE, "chat unreachable"),
        (PackageMissing(platform="discord", package="x"), "chat lost"),
        (REFUSED, "chat lost"),
        (KeyError("x"), "chat failed"),
    ],
)
def test_the_first_matching_rule_counts(error: Exception, event: str) -> None:
    rules = [rule for kind, rule in FAILURE_RULES if isinstance(error, kind)]
    assert rules[0].event == event
    assert rules[0].ends_start is (error is REFUSED)
    assert rules[0].needs_host is (event == "chat lost")


async def test_a_chat_that_came_back_counts_as_open_again() -> None:
    first = ScriptedChat(opening=[], serving=[REFUSED])
    second = ScriptedChat(opening=[None], serving=[])
    async with supervised(first, second) as tasks:
        await until(lambda: first.opened == 2 and first.is_serving)
        second.serving.append(REFUSED)
        second.wake.set()
        await until(lambda: not second.is_serving)
        second.wake.clear()
        await until(lambda: second.opened == 2 and second.is_serving)
        assert not any(task.done() for task in tasks)


async def test_after_a_success_the_pauses_start_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    failing = ScriptedChat(opening=[GONE, GONE, None, GONE], serving=[GONE])
    monkeypatch.setattr("bot.chats.supervisor.RETRY_PAUSES_S", (1.0, 2.0, 3.0))
    monkeypatch.setattr("bot.chats.supervisor.asyncio.sleep", sleep)
    async with supervised(failing):
        while not (failing.opened == 5 and failing.is_serving):
            await real(0)
    assert [each for each in pauses if each] == [1.0, 2.0, 1.0, 2.0]


async def test_a_chat_is_offline_while_it_is_closed_and_while_its_platform_does_not_reach_it() -> None:
    now_s, chat = 100.0, working_chat()
    supervisor = ChatSupervisor([chat], lambda: "en", lambda: now_s)
    task = asyncio.create_task(supervisor.keep_open(chat))
    now_s = 110.0
    assert supervisor.offline_s() == {Platform.DISCORD: 10.0}
    assert figure("sugarbot_chat_open", platform="discord") == 0
    await until(lambda: chat.is_serving)
    assert supervisor.offline_s() == {Platform.DISCORD: 0.0}
    assert figure("sugarbot_chat_open", platform="discord") == 1
    chat.is_connected, now_s = False, 150.0
    assert supervisor.offline_s() == {Platform.DISCORD: 40.0}
    assert figure("sugarbot_chat_open", platform="discord") == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
