"""No secret leaves through the log, whichever way it got there."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.logs import open_log

SECRET = "MTA-secret.token.of-discord"
TELEGRAM = "123456789:AAF3kDq-EXAMPLEexampleEXAMPLEexample12"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    open_log(secrets=[SECRET], verbose=True, stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_token_in_an_event_is_struck_out(lines: io.StringIO) -> None:
    structlog.get_logger("bot").info("chat opened", token=SECRET, nested={"t": SECRET})
    assert "chat opened" in lines.getvalue()
    assert SECRET not in lines.getvalue()


def test_a_token_in_a_library_s_address_is_struck_out_even_if_unknown(lines: io.StringIO) -> None:
    logging.getLogger("telegram").warning("POST https://example.invalid/bot%s/getMe failed", TELEGRAM)
    assert "getMe failed" in lines.getvalue()
    assert TELEGRAM not in lines.getvalue()


def test_a_token_in_a_traceback_is_struck_out(lines: io.StringIO) -> None:
    try:
        raise RuntimeError(f"refused {SECRET}")
    except RuntimeError:
        logging.getLogger("discord").exception("closed")
    assert "RuntimeError" in lines.getvalue()
    assert SECRET not in lines.getvalue()


def test_quiet_by_default_and_warnings_still_come() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        open_log(stream=stream)
        structlog.get_logger("bot").info("job accepted", job_id="j1")
        structlog.get_logger("bot").warning("worker lost", job_id="j1")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        structlog.reset_defaults()
    assert "job accepted" not in stream.getvalue()
    assert "worker lost" in stream.getvalue()
