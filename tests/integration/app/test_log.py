"""The log contains no prompt, whatever its characters and whatever error quotes it."""

import io
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import structlog
from rich.console import Console

from bot.app import open_application, serve_chats
from bot.chats.console import ConsoleChat
from bot.cli.logs import open_log
from bot.commands.values import Quota
from bot.outcomes import JobResult, Status
from bot.settings import load_settings
from engine.host import Host
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import a_context, open_harness, until

LEAKY_CHILD = "tests.integration.app.leaky_child"
PROMPT = "'geheim\" \\wunsch\u200b 秘密愿望 {braces} %s <b>\x7f 🍬 \u0301vertraulich"
FRAGMENTS = (
    "geheim",
    "wunsch",
    "秘密",
    "愿望",
    "braces",
    "vertraulich",
    "79d8",
    "E7%A7%98",
    "xe7",
    "🍬",
    "1f36c",
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    open_log(verbose=True, stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_line_of_the_log_contains_a_prompt(
    log: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app.Host", partial(Host, module=LEAKY_CHILD))
    settings = load_settings(environ={"SUGARBOT_DATA_DIR": str(tmp_path)})
    async with open_application(settings) as application:
        chat = ConsoleChat(application.desk, out_dir=tmp_path, console=Console(quiet=True))
        async with serve_chats(application, [chat]):
            for message in (PROMPT, f"/sugar {PROMPT} -n 2", f"/sugr {PROMPT}", f"/sugar {PROMPT} --lora x"):
                answer = await chat.say(message, user_name="a member")
                assert answer.exit_code == 1
    written = log.getvalue()
    assert "job failed" in written
    assert written.count("in _draw") >= 2  # the log has the place of the error, but not its message
    for fragment in FRAGMENTS:
        assert fragment.casefold() not in written.casefold(), written


class LoggingChat(FakeChat):
    """Logs while it delivers, as an adapter that does not know the job's id."""

    async def deliver(self, result: JobResult) -> None:
        structlog.get_logger("bot.chats").warning("deep in an adapter")
        await super().deliver(result)


async def test_what_an_adapter_logs_during_a_delivery_names_the_job(log: io.StringIO, tmp_path: Path) -> None:
    chat = LoggingChat()
    async with open_harness(tmp_path, chat=chat) as harness, harness.running():
        first, second = await harness.accept("1"), await harness.accept("2")
        await until(lambda: len(chat.results) == 2)

    lines = [line for line in log.getvalue().splitlines() if "deep in an adapter" in line]
    named = [receipt.job_id for receipt in (first, second) for line in lines if receipt.job_id in line]
    assert named == [first.job_id, second.job_id]


class LoggingReceiver(FakeChat):
    """Logs while it shows a status, as an adapter that does not know the job's id."""

    async def show(self, status: Status) -> None:
        structlog.get_logger("bot.chats").warning("deep in a status")
        await super().show(status)


async def test_what_an_adapter_logs_of_receipts_and_statuses_names_the_job(
    log: io.StringIO, tmp_path: Path
) -> None:
    chat = LoggingReceiver()
    async with open_harness(tmp_path, chat=chat) as harness, harness.running():
        receipt = await harness.accept("1")
        structlog.get_logger("bot.chats").warning("the receipt was not sent")
        await harness.desk.handle(Quota(), a_context("2"))
        structlog.get_logger("bot.chats").warning("the balance was not sent")
        await until(lambda: bool(chat.shown))

    lines = log.getvalue().splitlines()
    named = "\n".join(line for line in lines if receipt.job_id in line)
    assert "the receipt was not sent" in named
    assert "deep in a status" in named
    assert "the balance was not sent" not in named
