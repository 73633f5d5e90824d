"""One sentence describes a plan, in both languages, with its figures and its advice."""

import re
from dataclasses import replace

import pytest

from bot.languages import LOCALES
from bot.messages.plans import ADVICE, HINTS, LAYOUTS, format_layout, format_no_plan, format_plan, plan_rows
from engine.planner.placement.choose import choose_plan
from engine.planner.placement.values import NoPlan, Placed, PlanReason
from tests.unit.engine.planner.placement.situations import BF16, EVERY, situation


def placed(card: str, free_gib: float | None = None, **options: object) -> Placed:
    answer = choose_plan(situation(card, free_gib, **options))  # type: ignore[arg-type]
    assert isinstance(answer, Placed)
    return answer


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("code", LAYOUTS)
@pytest.mark.parametrize("hint", ["", *HINTS])
def test_every_reason_has_a_sentence_without_gaps(code: str, hint: str, locale: str) -> None:
    facts = placed("RTX 3060", ram_gib=32, formats=EVERY).reason.facts
    more = {"bf16_s": 8.1, "other": "int8", "other_s": 3.4, "wanted": "fp8"}
    for tiles in (False, True):
        said = format_plan(PlanReason(code, {**facts, **more, "tiles": tiles}, hint), locale)
        assert "…" not in said
        assert "{" not in said
        assert "512 × 768" in said


def test_a_host_reads_the_plan_the_seconds_and_a_faster_format() -> None:
    said = format_plan(placed("H200", 140, formats=EVERY).reason, "en")
    assert said.startswith("bf16: the whole model is on the card")
    assert "about 0.29 s for 512 × 768." in said
    assert 'engine.precision = "fp8"' in said


def test_eight_bits_are_explained_by_the_seconds_of_bf16() -> None:
    said = format_plan(placed("RTX 3060", ram_gib=32, formats=EVERY).reason, "en")
    assert said.startswith("int8: ")
    assert re.search(
        r" In bf16 it would take [0-9.]+ s, so int8 was chosen; its pictures differ slightly\.$", said
    )


def test_streaming_names_its_blocks() -> None:
    answer = placed("H200", 11.5, formats=BF16)
    assert f"{answer.option.predictions[0].resident_blocks} of 30 blocks" in format_plan(answer.reason, "en")
    assert f"{answer.option.predictions[0].resident_blocks} of 30 blocks" in format_layout(
        answer.option, 30, "en"
    )


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("advice", ADVICE)
def test_a_refusal_says_what_is_missing(advice: str, locale: str) -> None:
    said = format_no_plan(NoPlan(needed_bytes=4 * 2**30, missing_bytes=2**29, advice=advice), locale)
    assert "4.0" in said
    assert "0.50" in said
    assert said.endswith(ADVICE[advice]) or locale != "en"


def test_the_table_has_a_row_for_each_size() -> None:
    answer = placed("A10")
    header, *rows = plan_rows(answer, "en")
    assert [row[0] for row in rows] == ["512 × 768", "1024 × 1024", "1024 × 1536"]
    assert all(len(row) == len(header) for row in rows)


def test_equal_situations_have_equal_plans() -> None:
    one, other = (placed("A10", 20.0) for _ in range(2))
    assert one == replace(other)
