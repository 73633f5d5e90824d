"""How the worker describes an error, and that no prompt leaves it."""

import html
import json
import os
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import BlankPicture, LoraMissing, OutOfMemory
from engine.request import Failed, FailReason, RenderRequest
from engine.worker import failures
from engine.worker.failures import describe_failure, is_card_fault, trace


class AcceleratorError(RuntimeError):
    """Named as in torch."""


class OutOfMemoryError(RuntimeError):
    """Named as in torch."""


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (AcceleratorError("a text of a later version"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate"), True),
        (RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"), True),
        (RuntimeError("Triton Error [CUDA]: unspecified launch failure"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), False),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (OutOfMemoryError("CUDA error: out of memory"), False),
        (OutOfMemory(detail="CUDA out of memory"), False),
        (ZeroDivisionError("division by zero"), False),
        (ValueError("cannot encode 'CUDA error: a poem'"), False),
    ],
)
def test_any_error_of_the_card_but_lack_of_memory_is_fatal(error: Exception, is_fault: bool) -> None:
    assert is_card_fault(error) is is_fault
    outer = KeyError("x")
    outer.__cause__ = error
    assert is_card_fault(outer) is is_fault


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    """The error with a traceback, as it is caught."""
    try:
        try:
            raise cause or error
        except Exception as inner:
            if inner is error:
                raise
            raise error from inner
    except Exception as caught:  # noqa: BLE001 - any
        return caught


def test_a_trace_has_types_places_and_known_phrases_of_the_whole_chain() -> None:
    cause = RuntimeError("CUDA error: device-side assert triggered\nSee http://…")
    lines = trace(raised(ValueError("a secret wish"), cause)).splitlines()
    assert lines[1] == "RuntimeError: CUDA error, device-side assert triggered"
    assert lines[-1] == "ValueError"
    assert lines[0].startswith("  tests/unit/engine/worker/test_failures.py:")
    assert lines[0].endswith(" in raised")
    assert trace(raised(OutOfMemory("no room"))).endswith("OutOfMemory: no room")


def test_a_trace_of_an_error_that_leads_to_itself_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert trace(first).splitlines() == ["KeyError", "ValueError"]


def test_a_context_that_was_replaced_on_purpose_is_left_out() -> None:
    error = KeyError()
    error.__context__, error.__suppress_context__ = ValueError(), True
    assert trace(error) == "KeyError"
    error.__suppress_context__ = False
    assert trace(error) == "ValueError\nKeyError"


def test_places_in_libraries_are_named_from_their_package_on() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any
        json.loads("{")
    assert "  decoder.py:" in trace(caught.value)
    assert os.getcwd() not in trace(raised(ValueError()))


def test_our_own_errors_say_their_reason_and_facts_and_others_their_type() -> None:
    request = RenderRequest("j", 2, "a secret wish", 512, 512, 7)
    with structlog.testing.capture_logs() as logs:
        assert describe_failure(request, LoraMissing(name="sugar")) == Failed(
            "j",
            2,
            FailReason.LORA_MISSING,
            "LoraMissing: No LoRA file with this name and content is on the shelf. {'name': 'sugar'}",
        )
        assert describe_failure(request, BlankPicture(why="flat")).reason is FailReason.BLANK_PICTURE
        assert logs == []
        assert describe_failure(request, KeyError("a secret wish")) == Failed(
            "j", 2, FailReason.WORKER_ERROR, "KeyError"
        )
    [entry] = logs
    assert (entry["event"], entry["job_id"], entry["attempt"]) == ("job failed", "j", 2)


WAYS: list[Callable[[str], str]] = [
    str, repr, ascii, json.dumps, quote, quote_plus, html.escape, str.upper,
    lambda text: text[: len(text) // 2], lambda text: "\u200b".join(text), lambda text: repr(text.encode()),
    lambda text: json.dumps(json.dumps(text)),
    lambda text: text.encode("unicode_escape").decode(), lambda text: text[::-1],
]  # fmt: skip


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=60),
    way=st.sampled_from(WAYS),
    kind=st.sampled_from([ValueError, KeyError, RuntimeError, UnicodeError, OSError]),
)
@example(prompt="a 'quoted' \"wish\"\\ with\nlines", way=repr, kind=ValueError)
@example(prompt="a secret\u200bwish", way=ascii, kind=KeyError)
@example(prompt="CUDA error: a naked truth", way=str, kind=RuntimeError)
@example(prompt="\\u0041\\x41 %41", way=json.dumps, kind=ValueError)
def test_no_prompt_leaves_the_worker_with_a_foreign_error(
    prompt: str, way: Callable[[str], str], kind: type[Exception]
) -> None:
    def said_of(text: str) -> tuple[str, str, list[object]]:
        request = RenderRequest("j", 1, text, 512, 512, 7)
        error = raised(kind(f"before {way(text)} after"), ValueError(way(text)))
        with structlog.testing.capture_logs() as logs:
            end = describe_failure(request, error)
        return end.detail, trace(error), [entry["trace"] for entry in logs]

    # Whatever the prompt, the output is the same, except for phrases of the fixed list that it contains.
    own, other = said_of(prompt), said_of("")
    if "CUDA error" in prompt:
        assert "naked" not in str(own)
    elif not any(phrase in way(prompt) or phrase in prompt for phrase in failures._PHRASES):
        assert own == other
