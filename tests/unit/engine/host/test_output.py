"""What a worker prints becomes lines of our log, whatever it is."""

import asyncio
import json

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from engine.host import output as output_module
from engine.host.output import WorkerOutput
from tests.fakes.clock import FakeSeconds


def logged(line: bytes, output: WorkerOutput | None = None) -> list[dict[str, object]]:
    with structlog.testing.capture_logs() as logs:
        (output or WorkerOutput(1)).log_line(line)
    return [dict(entry) for entry in logs]


async def read(*pieces: bytes) -> list[dict[str, object]]:
    reader = asyncio.StreamReader()
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    with structlog.testing.capture_logs() as logs:
        await WorkerOutput(1).read(reader)
    return [dict(entry) for entry in logs]


def test_an_event_of_the_worker_keeps_its_name_level_and_facts() -> None:
    line = b'{"event": "job begins", "level": "warning", "job_id": "j", "n": 1}'
    assert logged(line) == [
        {"event": "job begins", "log_level": "warning", "origin": "worker", "job_id": "j", "n": 1}
    ]


@pytest.mark.parametrize("level", ["trace", "bind", "__class__", ""])
def test_an_unknown_level_is_info(level: str) -> None:
    [entry] = logged(json.dumps({"event": "x", "level": level}).encode())
    assert entry["log_level"] == "info"


def test_facts_with_names_of_our_own_are_left_out() -> None:
    names = ["self", "origin", "exc_info", "stack_info", "timestamp", "logger"]
    event = {"event": "x", "level": "info", "method": 1, **dict.fromkeys(names, 1)}
    assert logged(json.dumps(event).encode()) == [
        {"event": "x", "log_level": "info", "origin": "worker", "method": 1}
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"[]", b"{}", b"null", b"7", b'"x"', b'{"event": "x"}', b'{"level": "info"}', b"plain", b"[" * 5000,
        b'{"event": "x", "level": "info", "n": ' + b"9" * 5000 + b"}",
        b'{"event": "x", "level": "info", "text": "\\ud800"}',
    ],
)  # fmt: skip
def test_anything_else_is_text(line: bytes) -> None:
    assert logged(line) == [{"event": "worker output", "log_level": "info", "line": line.decode()}]


def test_text_is_made_safe_for_a_terminal() -> None:
    assert logged(b"\x1b[2J\xff\x00")[0]["line"] == r"\x1b[2J" + "\N{REPLACEMENT CHARACTER}" + r"\x00"


@pytest.mark.parametrize("line", [b"", b" ", b"\t"])
def test_an_empty_line_is_not_logged(line: bytes) -> None:
    assert logged(line) == []


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(line: bytes) -> None:
    assert len(logged(line)) <= 1


async def test_lines_end_where_the_worker_ends_them() -> None:
    logs = await read(b"one\ntwo\r\n\nthr", b"ee\rfour\n", b"five")
    assert [entry["line"] for entry in logs] == ["one", "two", "three", "four", "five"]


async def test_a_line_without_end_is_logged_in_pieces() -> None:
    logs = await read(b"x" * 20_000)
    lines = [str(entry["line"]) for entry in logs]
    assert [len(line) for line in lines] == [8192, 8192, 3616]


async def test_a_line_that_cannot_be_logged_does_not_end_the_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = WorkerOutput.log_line

    def log_line(output: WorkerOutput, line: bytes) -> None:
        if line == b"two":
            raise ZeroDivisionError
        real(output, line)

    monkeypatch.setattr(WorkerOutput, "log_line", log_line)
    logs = await read(b"one\ntwo\nthree")
    assert [entry["event"] for entry in logs] == [
        "worker output",
        "worker output not logged",
        "worker output",
    ]
    assert (logs[1]["error"], logs[1]["log_level"]) == ("ZeroDivisionError", "warning")


def test_a_line_that_repeats_a_prompt_is_withheld_and_its_length_is_logged() -> None:
    output = WorkerOutput(1)
    output.prompts.append("a secret wish")
    line = b"cannot read 'a secret wish'"
    assert logged(line, output) == [
        {
            "event": "worker output withheld because it repeats a prompt",
            "log_level": "info",
            "bytes": len(line),
        }
    ]
    assert logged(b"a remark", output)[0]["line"] == "a remark"
    for number in range(output_module.MAX_PROMPTS):
        output.prompts.append(f"{number} another wish")
    assert logged(line, output)[0]["event"] == "worker output"  # that job ended long ago


def test_a_flood_of_text_is_cut_off_and_counted_and_events_still_come_through() -> None:
    clock = FakeSeconds()
    output = WorkerOutput(7, clock)
    assert (output_module.MAX_LINES, output_module.WINDOW_S) == (500, 60.0)
    with structlog.testing.capture_logs() as logs:
        for number in range(503):
            output.log_line(f"line {number}".encode())
        output.log_line(b'{"event": "x", "level": "info"}')
        clock.now_s += 59.9
        output.log_line(b"dropped, too")
        clock.now_s += 0.1
        output.log_line(b"the next minute")
        clock.now_s += 60
        output.log_line(b"and the next")
    assert [entry["event"] for entry in logs] == [
        *["worker output"] * 500,
        "x",
        "worker output dropped",
        "worker output",
        "worker output",
    ]
    assert logs[499]["line"] == "line 499"
    assert (logs[501]["lines"], logs[501]["pid"], logs[501]["log_level"]) == (4, 7, "warning")


def test_the_allowed_number_of_lines_is_no_flood() -> None:
    clock = FakeSeconds()
    output = WorkerOutput(7, clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(500):
            output.log_line(b"x")
        clock.now_s += 60
        output.log_line(b"x")
    assert {entry["event"] for entry in logs} == {"worker output"}


def test_each_minute_has_its_full_number_of_lines() -> None:
    clock = FakeSeconds()
    output = WorkerOutput(7, clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            for _ in range(501):
                output.log_line(b"x")
            clock.now_s += 60
        output.log_line(b"x")
    assert [entry["event"] for entry in logs].count("worker output") == 1501
    assert [entry["lines"] for entry in logs if entry["event"] == "worker output dropped"] == [1, 1, 1]


def test_a_prompt_is_withheld_until_eight_others_have_followed_it() -> None:
    output = WorkerOutput(1)
    output.prompts.append("a secret wish")
    for number in range(output_module.MAX_PROMPTS - 1):
        output.prompts.append(f"{number} another wish")
    assert logged(b"cannot read 'a secret wish'", output)[0]["event"] != "worker output"
    assert logged(b"cannot read 'a secret wish'", output)[0]["event"] != "worker output"
