"""Stacks: helpers, bounds, the cap on the sum of strengths, mixed faces and distillation steps."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import messages
from bot.commands.values import MAX_TOTAL_WEIGHT, LoraWish, Reroll
from bot.desk.loras.stacks import Stack, build_stack
from bot.errors import StackTooStrong, StepsDiffer, StepsNotPossible, TooManyLoras
from bot.messages.jobs import format_note
from bot.outcomes import (
    DefaultMissing,
    FacesMixed,
    HelperAttached,
    HelperMissing,
    Note,
    Receipt,
    StepsChanged,
    WeightBounded,
    WeightsScaled,
)
from engine.checkpoint.model import MAX_STEPS
from engine.request import STEPS
from engine.shelf import Helper, LoraFile, LoraKind, Shelf, Sidecar
from tests.fakes.desk_harness import a_context, open_harness


def a_lora(name: str, weight: float = 1.0, **stated: object) -> LoraFile:
    return LoraFile(name, Path(name), name[0] * 64, 1, 8, Sidecar(weight=weight, **stated))  # type: ignore[arg-type]


def stack_of(
    *chosen: tuple[LoraFile, float | None], others: Sequence[LoraFile] = (), steps: int = STEPS
) -> Stack:
    files = {file.name: file for file in [*others, *(file for file, _ in chosen)]}
    return build_stack(chosen, files.get, model_steps=steps)


def weights(stack: Stack) -> dict[str, float]:
    return {lora.name: lora.weight for lora in stack.loras}


def test_strengths_within_the_cap_stay_without_a_note() -> None:
    stack = stack_of((a_lora("a"), 0.9), (a_lora("b"), -1.1))
    assert (weights(stack), stack.notes, stack.steps) == ({"a": 0.9, "b": -1.1}, (), None)


def test_strengths_above_the_cap_are_scaled_in_proportion_and_shown() -> None:
    stack = stack_of((a_lora("a"), 1.5), (a_lora("b"), -1.0))
    assert weights(stack) == {"a": 1.2, "b": -0.8}
    assert stack.notes == (WeightsScaled(2.5, 2.0, (("a", 1.5, 1.2), ("b", -1.0, -0.8))),)


def test_scaled_strengths_are_short_to_read_and_type() -> None:
    stack = stack_of(*((a_lora(name), 1.0) for name in "abc"))
    assert weights(stack) == dict.fromkeys("abc", 0.66)


@pytest.mark.parametrize(("each", "is_kept"), [(1.0002, True), (1.0004, False)])
def test_strengths_are_counted_in_thousandths(each: float, is_kept: bool) -> None:
    assert (stack_of((a_lora("a"), each), (a_lora("b"), -each)).notes == ()) is is_kept


@given(st.lists(st.floats(-2, 2).map(lambda weight: round(weight, 3)), min_size=1, max_size=4))
def test_scaled_strengths_never_exceed_the_cap_and_keep_sign_and_proportion(asked: list[float]) -> None:
    stack = stack_of(*((a_lora(name), weight) for name, weight in zip("abcd", asked, strict=False)))
    drawn = list(weights(stack).values())
    assert sum(map(abs, drawn)) <= MAX_TOTAL_WEIGHT + 0.0005
    share = min(1.0, MAX_TOTAL_WEIGHT / sum(map(abs, asked))) if any(asked) else 1.0
    assert all(abs(one - share * weight) <= 0.011 for one, weight in zip(drawn, asked, strict=True))
    assert all(one * weight >= 0 for one, weight in zip(drawn, asked, strict=True))


def test_a_lora_that_may_not_be_scaled_so_far_is_refused() -> None:
    with pytest.raises(StackTooStrong) as caught:
        stack_of((a_lora("a", least_weight=0.9), 1.2), (a_lora("b"), 1.8))
    assert caught.value.facts == {"name": "a", "needed": 0.9, "total": 3.0, "limit": 2.0}


@pytest.mark.parametrize(("asked", "drawn"), [(0.1, 0.4), (1.7, 0.9), (None, 0.9), (0.4, 0.4), (0.6, 0.6)])
def test_a_strength_is_bounded_by_the_sidecar_with_a_note(asked: float | None, drawn: float) -> None:
    stack = stack_of((a_lora("a", 1.0, least_weight=0.4, most_weight=0.9), asked))
    assert weights(stack) == {"a": drawn}
    wanted = 1.0 if asked is None else asked
    assert stack.notes == (() if wanted == drawn else (WeightBounded("a", wanted, drawn, 0.4, 0.9),))


def test_a_helper_is_attached_and_neither_counted_nor_scaled() -> None:
    patch = a_lora("patch", kind=LoraKind.HELPER)
    face = a_lora("face", helpers=(Helper("patch", 1.0),))
    stack = stack_of((face, 1.5), (a_lora("b"), 1.5), others=[patch])
    assert weights(stack) == {"face": 1.0, "b": 1.0, "patch": 1.0}
    assert HelperAttached("face", "patch", 1.0) in stack.notes


def test_a_helper_that_was_named_keeps_the_strength_that_was_asked_for() -> None:
    stack = stack_of((a_lora("a", helpers=(Helper("p"),)), 1.0), (a_lora("p"), 0.3))
    assert (weights(stack), stack.notes) == ({"a": 1.0, "p": 0.3}, ())


def test_two_loras_share_one_helper_and_helpers_have_none() -> None:
    loop = a_lora("p", helpers=(Helper("a"), Helper("q")))
    stack = stack_of(
        (a_lora("a", helpers=(Helper("p", 0.5),)), 1.0),
        (a_lora("b", helpers=(Helper("p", 0.7),)), 1.0),
        others=[loop, a_lora("q")],
    )
    assert weights(stack) == {"a": 1.0, "b": 1.0, "p": 0.5}


def test_a_missing_helper_is_a_note() -> None:
    stack = stack_of((a_lora("a", helpers=(Helper("gone"),)), 1.0))
    assert stack.notes == (HelperMissing("a", "gone"),)


def test_helpers_count_towards_the_most_loras_of_a_picture() -> None:
    names = [(a_lora(name), 0.1) for name in "abc"]
    helped = a_lora("d", helpers=(Helper("p"),))
    with pytest.raises(TooManyLoras):
        stack_of(*names, (helped, 0.1), others=[a_lora("p")])
    assert len(stack_of(*names[:2], (helped, 0.1), others=[a_lora("p")]).loras) == 4


def test_two_faces_are_drawn_with_advice() -> None:
    faces = [(a_lora(name, kind=LoraKind.FACE), 0.5) for name in "ab"]
    assert stack_of(*faces).notes == (FacesMixed(("a", "b")),)
    assert stack_of(faces[0], (a_lora("style"), 0.5)).notes == ()


def test_the_steps_of_a_distillation_lora_hold() -> None:
    stack = stack_of((a_lora("fast", steps=4), 1.0))
    assert (stack.steps, stack.notes) == (4, (StepsChanged("fast", 4),))
    assert stack_of((a_lora("same", steps=STEPS), 1.0)).notes == ()
    helped = stack_of((a_lora("a", helpers=(Helper("fast"),)), 1.0), others=[a_lora("fast", steps=4)])
    assert helped.steps == 4


def test_steps_that_contradict_or_that_no_schedule_has_are_refused() -> None:
    with pytest.raises(StepsDiffer) as differ:
        stack_of((a_lora("a", steps=4), 1.0), (a_lora("b", steps=6), 1.0))
    assert differ.value.facts == {"names": ("a", "b")}
    for steps in (0, MAX_STEPS + 1):
        with pytest.raises(StepsNotPossible):
            stack_of((a_lora("a", steps=steps), 1.0))


async def test_a_receipt_shows_every_change_and_the_job_is_drawn_so(tmp_path: Path) -> None:
    files = {
        "face": a_lora("face", kind=LoraKind.FACE, helpers=(Helper("patch", 0.7),), steps=4),
        "style": a_lora("style", most_weight=1.5),
        "patch": a_lora("patch", kind=LoraKind.HELPER),
    }
    async with open_harness(tmp_path, shelf=Shelf(files)) as harness, harness.running():
        wishes = (LoraWish("face", 1.5), LoraWish("style", 2.0))
        receipt = await harness.accept(loras=wishes)
        shown = messages.format_outcome(receipt, "en")
        for part in (
            "face 1 + style 1 + patch 0.7",
            "style may have a strength from -2 to 1.5, so it gets 1.5 instead of 2",
            "scaled them: face 1.5 → 1, style 1.5 → 1",
            "face always comes with its helper patch, here at 0.7",
            "face is made for 4 steps",
        ):
            assert part in shown
        await harness.chat.wait_for_results(1)
        request = harness.renderer.requests[0]
        assert request.steps == 4
        assert [(lora.name, lora.weight) for lora in request.loras] == [
            ("face", 1.0), ("style", 1.0), ("patch", 0.7),
        ]  # fmt: skip
        again = await harness.desk.handle(Reroll(receipt.job_id), a_context("2"))
        assert isinstance(again, Receipt)
        assert (again.recipe.loras, again.recipe.steps) == (receipt.recipe.loras, 4)
        assert again.notes == ()


NOTES: list[Note] = [
    WeightBounded("a", 2.0, 1.0, 0.0, 1.0),
    WeightsScaled(2.5, 2.0, (("a", 1.5, 1.2), ("b", -1.0, -0.8))),
    HelperAttached("a", "p", 0.7),
    HelperMissing("a", "p"),
    DefaultMissing(),
    FacesMixed(("a", "b")),
    StepsChanged("a", 4),
]


@pytest.mark.parametrize("note", NOTES, ids=lambda note: type(note).__name__)
def test_every_note_is_a_sentence_in_both_languages(note: Note) -> None:
    english, chinese = format_note(note, "en"), format_note(note, "zh-CN")
    assert english != chinese
    assert english.endswith(".")
    assert chinese.endswith("。")
    assert "{" not in english + chinese
