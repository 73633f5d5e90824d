"""Which LoRAs a picture gets, and at which strengths.

A sidecar bounds the strength of its LoRA and names helpers, which are attached by themselves. What people
chose may weigh ``MAX_TOTAL_WEIGHT`` together; more is scaled down in proportion, because a sum of strong
changes spoils the pictures of a distilled model. Helpers are neither counted nor scaled: they correct the
model, and at another strength they would not. Whatever differs from the request is a note.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.commands.values import MAX_TOTAL_WEIGHT
from bot.errors import StackTooStrong, StepsDiffer, StepsNotPossible, TooManyLoras
from bot.outcomes import (
    FacesMixed,
    HelperAttached,
    HelperMissing,
    Note,
    StepsChanged,
    WeightBounded,
    WeightsScaled,
)
from engine.checkpoint.model import MAX_STEPS
from engine.request import MAX_LORAS, LoraChoice
from engine.shelf import LoraFile, LoraKind

Chosen = tuple[LoraFile, float | None]
"""A LoRA and the strength that was asked for; None for the recommended one."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The LoRAs of one picture.

    Attributes:
        triggers: Their trigger words, in the same order; empty for a LoRA without.
        steps: Forwards that a distillation LoRA needs; None for the model's own number.
        notes: How it differs from the request, and advice.
    """

    loras: tuple[LoraChoice, ...]
    triggers: tuple[str, ...]
    steps: int | None
    notes: tuple[Note, ...]


NO_STACK = Stack((), (), None, ())


def build_stack(
    chosen: Sequence[Chosen], find: Callable[[str], LoraFile | None], *, model_steps: int
) -> Stack:
    """Return the stack of what a person chose.

    Args:
        chosen: Different LoRAs, in the order in which they were named.
        find: Finds a helper by its name.
        model_steps: The model's own number of steps.

    Raises:
        PersonError: TooManyLoras, StackTooStrong, StepsDiffer, StepsNotPossible.
    """
    notes: list[Note] = []
    weights = {file.name: _bounded(file, weight, notes) for file, weight in chosen}
    files = {file.name: file for file, _ in chosen}
    for file, _ in chosen:
        for helper in file.sidecar.helpers:
            found = find(helper.name)
            if found is None:
                notes.append(HelperMissing(file.name, helper.name))
            elif found.name not in files:
                files[found.name] = found
                notes.append(HelperAttached(file.name, found.name, helper.weight))
                weights[found.name] = helper.weight
    if len(files) > MAX_LORAS:
        raise TooManyLoras(limit=MAX_LORAS)
    _scale(weights, [file for file, _ in chosen], notes)
    faces = tuple(name for name, file in files.items() if file.sidecar.kind is LoraKind.FACE)
    if len(faces) > 1:
        notes.append(FacesMixed(faces))
    steps = _steps_of(tuple(files.values()), model_steps, notes)
    loras = tuple(LoraChoice(name, file.sha256, weights[name]) for name, file in files.items())
    return Stack(loras, tuple(file.trigger for file in files.values()), steps, tuple(notes))


def repeat_stack(found: Sequence[tuple[LoraFile, float]], *, model_steps: int) -> Stack:
    """Return the stack of an earlier job with the present files; its strengths and helpers stay.

    Args:
        found: The file that each LoRA means now, and its strength. Two that mean one file by now, as after
            a change of titles, are that file with the sum of their strengths, within its bounds.
        model_steps: The model's own number of steps.

    Raises:
        StepsDiffer, StepsNotPossible: As in ``build_stack``.
    """
    weights: dict[str, float] = {}
    files = {file.name: file for file, _ in found}
    for file, weight in found:
        is_again = file.name in weights
        weights[file.name] = _bounded(file, weights[file.name] + weight, []) if is_again else weight
    loras = tuple(LoraChoice(name, file.sha256, weights[name]) for name, file in files.items())
    return Stack(loras, (), _steps_of(tuple(files.values()), model_steps, []), ())


def _bounded(file: LoraFile, asked: float | None, notes: list[Note]) -> float:
    weight = file.weight if asked is None else asked
    least, most = file.sidecar.least_weight, file.sidecar.most_weight
    bounded = min(max(weight, least), most)
    if bounded != weight:
        notes.append(WeightBounded(file.name, weight, bounded, least, most))
    return bounded


def _scale(weights: dict[str, float], chosen: Sequence[LoraFile], notes: list[Note]) -> None:
    """Scale what was chosen down to ``MAX_TOTAL_WEIGHT``, each by the same factor."""
    total = round(sum(abs(weights[file.name]) for file in chosen), 3)
    if total <= MAX_TOTAL_WEIGHT:
        return
    before = {file.name: weights[file.name] for file in chosen}
    # In hundredths, as people read and type them; towards zero, so that their sum is within the limit.
    after = {
        name: math.trunc(round(100 * weight * MAX_TOTAL_WEIGHT / total, 3)) / 100
        for name, weight in before.items()
    }
    for file in chosen:
        bounded = _bounded(file, after[file.name], [])
        if bounded != after[file.name]:
            raise StackTooStrong(name=file.name, needed=bounded, total=total, limit=MAX_TOTAL_WEIGHT)
    weights |= after
    scaled = tuple((name, before[name], after[name]) for name in before)
    notes.append(WeightsScaled(total, MAX_TOTAL_WEIGHT, scaled))


def _steps_of(files: Sequence[LoraFile], model_steps: int, notes: list[Note]) -> int | None:
    """Return the steps that the stack's distillation LoRAs need; None without any."""
    needed = {file.sidecar.steps: file.name for file in files if file.sidecar.steps is not None}
    if not needed:
        return None
    if len(needed) > 1:
        raise StepsDiffer(names=tuple(needed.values()))
    [(steps, name)] = needed.items()
    if not 1 <= steps <= MAX_STEPS:
        raise StepsNotPossible(name=name, steps=steps, limit=MAX_STEPS)
    if steps != model_steps:
        notes.append(StepsChanged(name, steps))
    return steps
