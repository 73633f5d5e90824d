"""The log contains no secret, whatever its source."""

import asyncio
import gc
import io
import json
import logging
from urllib.parse import quote

import pytest
import structlog

from bot.cli.logs import open_log
from bot.monitoring.recent_log import LogLevel, RecentLog
from engine.host.output import WorkerOutput

SECRET = "MTA-secret.token.of-discord"
TELEGRAM = "123456789:AAF3kDq-EXAMPLEexampleEXAMPLEexample12"


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    open_log(secrets=[SECRET], verbose=True, stream=stream)
    return stream


def test_a_token_in_an_event_is_replaced(lines: io.StringIO) -> None:
    structlog.get_logger("bot").info("chat opened", token=SECRET, nested={"t": SECRET})
    assert "chat opened" in lines.getvalue()
    assert SECRET not in lines.getvalue()


def test_an_unknown_token_in_a_library_s_address_is_replaced(lines: io.StringIO) -> None:
    logging.getLogger("telegram").warning("POST https://example.invalid/bot%s/getMe failed", TELEGRAM)
    assert "getMe failed" in lines.getvalue()
    assert TELEGRAM not in lines.getvalue()


def test_a_token_in_a_traceback_is_replaced(lines: io.StringIO) -> None:
    try:
        raise RuntimeError(f"refused {SECRET}")
    except RuntimeError:
        logging.getLogger("discord").exception("closed")
    assert "RuntimeError" in lines.getvalue()
    assert SECRET not in lines.getvalue()


def test_by_default_only_warnings_are_written() -> None:
    stream = io.StringIO()
    open_log(stream=stream)
    structlog.get_logger("bot").info("job accepted", job_id="j1")
    structlog.get_logger("bot").warning("worker lost", job_id="j1")
    assert "job accepted" not in stream.getvalue()
    assert "worker lost" in stream.getvalue()


def broken(message: str = "a mistake") -> Exception:
    """An exception with a traceback, outside of any ``except``."""
    try:
        raise LookupError(message)
    except LookupError as error:
        return error


@pytest.mark.parametrize("logger", ["bot.x", "discord.client"])
@pytest.mark.parametrize("kind", ["tuple", "exception"])
def test_an_exception_logged_outside_of_an_except_has_its_traceback(
    lines: io.StringIO, logger: str, kind: str
) -> None:
    error = broken()
    exc_info = error if kind == "exception" else (type(error), error, error.__traceback__)
    log = structlog.get_logger(logger) if logger.startswith("bot") else logging.getLogger(logger)
    log.error("it failed", exc_info=exc_info)
    output = lines.getvalue()
    assert "LookupError: a mistake" in output
    assert "in broken" in output
    assert "exc_info" not in output


def test_without_an_exception_there_is_no_traceback(lines: io.StringIO) -> None:
    structlog.get_logger("bot").error("it failed", exc_info=True)
    logging.getLogger("x").error("it failed, too", exc_info=(None, None, None))
    assert "NoneType" not in lines.getvalue()
    assert len(lines.getvalue().splitlines()) == 2


async def test_the_traceback_of_a_task_without_a_waiter_is_written(lines: io.StringIO) -> None:
    async def fail() -> None:
        raise broken()

    task = asyncio.create_task(fail(), name="forgotten")
    await asyncio.wait([task])
    del task
    gc.collect()
    output = lines.getvalue()
    assert "Task exception was never retrieved" in output
    assert "LookupError: a mistake" in output
    assert "in broken" in output


def test_a_traceback_holds_no_local_variables(lines: io.StringIO) -> None:
    def draw() -> None:
        prompt = "a very private wish"
        raise LookupError(len(prompt))

    try:
        draw()
    except LookupError:
        structlog.get_logger("bot").exception("job failed")
    assert "in draw" in lines.getvalue()
    assert "private" not in lines.getvalue().replace('prompt = "a very private wish"', "")


def test_the_worker_s_own_traceback_keeps_its_lines(lines: io.StringIO) -> None:
    event = {"event": "job failed", "level": "error", "trace": f"Traceback:\n  line 1\n{SECRET}\x1b[2J"}
    WorkerOutput(1).log_line(json.dumps(event).encode())
    first, *trace = lines.getvalue().splitlines()
    assert "job failed" in first
    assert trace == ["Traceback:", "  line 1", "***\\x1b[2J"]


@pytest.mark.parametrize(
    "unsafe", ["\x1b]0;owned\x07", "x\n2026-01-01 [error] forged", "\u202egnp.exe", "\x9b2J", "a\rb"]
)
def test_control_characters_are_escaped(lines: io.StringIO, unsafe: str) -> None:
    structlog.get_logger("bot").warning("lora rejected", name=unsafe, **{unsafe: 1})
    logging.getLogger("telegram").warning("file %s", unsafe)
    structlog.get_logger("bot").error("failed", exc_info=broken(unsafe.replace("\n", " ")))
    output = lines.getvalue()
    assert all(line.isprintable() for line in output.splitlines())
    assert "forged" not in {word for line in output.splitlines() for word in line.split()[:3]}
    assert not output.startswith("2026-01-01")
    assert len([line for line in output.splitlines() if " [" in line and "Z" in line]) == 3


PROXY_PASSWORD = "p@ss w:rd/+"


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://example.invalid/?token={quote(SECRET, safe='')}",
        f"POST /bot{quote(TELEGRAM, safe='')}/getMe",
        f"POST /bot{quote(TELEGRAM, safe='').lower()}/getMe".replace("aaf3kdq", "AAF3kDq"),
        f"proxy http://me:{quote(PROXY_PASSWORD, safe='')}@127.0.0.1:1080",
        "using socks5://me:unknown-pass@127.0.0.1:1080/ from the environment",
    ],
)
def test_no_spelling_of_a_secret_is_written(text: str) -> None:
    stream = io.StringIO()
    open_log(secrets=[SECRET, TELEGRAM, PROXY_PASSWORD], verbose=True, stream=stream)
    logging.getLogger("aiohttp").warning("%s", text)
    structlog.get_logger("bot").warning("output", text=text, nested=[text])
    structlog.get_logger("bot").warning("failed", exc_info=broken(text))
    output = stream.getvalue()
    for secret in (
        SECRET,
        TELEGRAM,
        PROXY_PASSWORD,
        quote(PROXY_PASSWORD, safe=""),
        "unknown-pass",
        "AAF3kDq",
    ):
        assert secret not in output
    assert output.count("***") == 4


def test_the_newest_events_are_kept_without_secrets(lines: io.StringIO) -> None:
    recent = RecentLog()
    open_log(secrets=[SECRET], stream=lines, recent=recent)

    structlog.get_logger("bot").info("chat opened", token=SECRET, name="\x1b[2J")
    structlog.get_logger("bot").error("it failed", exc_info=broken(f"refused {SECRET}"))
    logging.getLogger("telegram").warning("POST /bot%s/getMe failed", TELEGRAM)
    event = {"event": "job failed", "level": "error", "trace": f"Traceback:\n  line 1\n{SECRET}"}
    WorkerOutput(1).log_line(json.dumps(event).encode())

    opened, failed, library, worker = recent.events()
    assert (opened.event, opened.level) == ("chat opened", LogLevel.INFO)
    assert opened.facts == "token=*** name=\\x1b[2J"
    assert "LookupError: refused ***" in failed.trace
    assert "exc_info" not in failed.facts
    assert library.event == "POST /bot***/getMe failed"
    assert worker.trace.splitlines() == ["Traceback:", "  line 1", "***"]
    assert SECRET not in repr(recent.events())
    assert "chat opened" not in lines.getvalue()  # only the page shows info without --verbose
