"""``sugarbot plan`` answers for known cards, for this machine's card, and refuses what it does not know."""

import asyncio
import json
import re
from dataclasses import replace

import pytest

from bot.cli import plan
from bot.cli.plan import PlanQuestion, read_size, report
from bot.errors import NoCard, UnknownCard
from bot.messages import format_error
from bot.settings import Settings
from engine.planner.machine import CardProbe
from engine.planner.placement.values import CardInfo, Placed
from tests.unit.engine.planner.placement.situations import situation

SETTINGS = Settings()


def run(question: PlanQuestion, settings: Settings = SETTINGS) -> int:
    return asyncio.run(report(settings, question))


def test_a_known_card_gets_a_table_and_the_source_of_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PlanQuestion(card="3060")) == 0
    said = capsys.readouterr().out
    for part in ("RTX 3060", "GA102", "512 × 768", "1024 × 1536", "predicted", "int8"):
        assert part in said


def test_the_answer_is_in_the_hosts_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PlanQuestion(card="A10"), Settings(language="zh-CN")) == 0
    said = capsys.readouterr().out
    assert "文本编码器" in said
    assert re.search(r"  [0-9.]+ 秒，[0-9.]+ GiB：", said)


def test_free_memory_main_memory_size_and_precision_change_the_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    question = PlanQuestion(
        card="RTX 4070", free_gib=8, ram_gib=64, size=(1024, 1024), precision="bf16", as_json=True
    )
    assert run(question) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["card"]["free_bytes"] == 8 * 2**30
    option = answer["answer"]["option"]
    assert option["plan"]["weight_format"] == "bf16"
    assert [each["size"] for each in option["predictions"]] == [[1024, 1024]]


def test_without_another_plan_none_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = plan.choose_plan(situation("RTX 3060"))
    assert isinstance(answer, Placed)
    monkeypatch.setattr(plan, "choose_plan", lambda _situation: replace(answer, alternatives=()))
    assert run(PlanQuestion(card="3060")) == 0
    assert "Also possible" not in capsys.readouterr().out


def test_a_card_without_room_gets_the_missing_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PlanQuestion(card="RTX 4060", free_gib=2)) == 1
    assert "No plan fits" in capsys.readouterr().out


def test_an_unknown_card_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownCard) as caught:
        run(PlanQuestion(card="Voodoo 2"))
    said = format_error(caught.value, "en")
    assert "Voodoo 2" in said
    assert "RTX 3060" in said
    assert "H200" in said


@pytest.mark.parametrize("free_gib", [None, 12.0])
def test_without_a_name_it_is_this_machines_card(
    free_gib: float | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours: CardInfo = situation("RTX 4090", 20).card
    monkeypatch.setattr(CardProbe, "read", lambda _self: ours)
    monkeypatch.setattr(plan, "read_main_memory", lambda: (64 * 2**30, 48 * 2**30))
    assert run(PlanQuestion(free_gib=free_gib)) == 0
    said = capsys.readouterr().out
    assert f"{free_gib or 20:.1f} GiB free" in said
    assert "48.0 GiB" in said


def test_no_main_memory_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    run(PlanQuestion(card="T4", ram_gib=0.0))
    assert "main memory 0.0 GiB" in capsys.readouterr().out


def test_a_machine_without_a_card_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CardProbe, "read", lambda _self: None)
    with pytest.raises(NoCard) as caught:
        run(PlanQuestion())
    said = format_error(caught.value, "en")
    assert said.startswith("This machine has no card")
    assert "auto" not in said
    assert "RTX 3060" in said


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ("1024x1024", (1024, 1024)), ("512×768", (512, 768)), ("", None), ("512", None), ("100x100", None),
        ("16x512", None), ("9999x512", None), ("x", None),
    ],
)  # fmt: skip
def test_a_size_is_two_multiples_of_16(typed: str, size: tuple[int, int] | None) -> None:
    assert read_size(typed) == size
