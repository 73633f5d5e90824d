"""The plan: the fastest that fits what is free, with its reason and what was rejected.

``auto`` keeps bf16 wherever the whole transformer fits on the card in it, unless the card has no units for
it. Where it does not fit, an eight-bit format is chosen only if bf16 would take more than 1.3 times as long,
and the reason tells the host. Where bf16 stays although eight bits are that much faster, the reason tells
that, too: eight bits change the picture.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from engine.config import AUTO, WeightFormat, WeightLocation
from engine.planner.placement.options import LORA_CACHES, fitting_options, smallest_option
from engine.planner.placement.values import (
    NoPlan,
    Placed,
    PlacementOption,
    PlanReason,
    Situation,
)

SLOWER = 1.3  # bf16 may take so many times as long as eight bits before they matter
MUCH_SLOWER = 4.0  # … or so many times, although it fits: int8's lead on a card without bf16 units (Turing)
# A plan that streams, be it for the largest size alone, counts as so much slower: its steps vary with the
# link and are no recorded graphs, and blocks move when the size changes.
STREAM_COUNT = 1.1
CACHE_COUNT = 1.02  # so does each smaller cache of LoRAs
EVERY_FORMAT = frozenset(WeightFormat)


def formats_of(precision: str) -> frozenset[WeightFormat]:
    """Return the formats that the setting ``engine.precision`` allows; ``auto`` allows all."""
    return EVERY_FORMAT if precision == AUTO else frozenset({WeightFormat(precision)})


@lru_cache(maxsize=1024)
def choose_plan(situation: Situation) -> Placed | NoPlan:
    """Choose where the model lives.

    Sizes that fit in no plan are given up, the last first; the first size is never given up. A card that can
    multiply in none of the host's formats draws in bf16, and the reason tells that.
    """
    rates = situation.card.rates
    if not any(rates.flops(each) for each in situation.formats):
        answer = choose_plan(replace(situation, formats=frozenset({WeightFormat.BF16})))
        if isinstance(answer, NoPlan):
            return answer
        wanted = ", ".join(sorted(situation.formats))
        facts = {**answer.reason.facts, "wanted": wanted}
        return replace(answer, reason=replace(answer.reason, facts=facts, hint="no_units"))
    for count in range(len(situation.sizes), 0, -1):
        served = replace(situation, sizes=situation.sizes[:count])
        if found := _choose(served):
            return found
    return _refuse(replace(situation, sizes=situation.sizes[:1]))


def rank(option: PlacementOption) -> float:
    """Return the seconds that order the options: those expected, and a small price for what is lacking."""
    caches_smaller = sum(1 for cache in LORA_CACHES if cache > option.plan.lora_cache_bytes)
    streams = 1.0 if option.plan.resident_blocks is None else STREAM_COUNT
    return option.expected_s * streams * CACHE_COUNT**caches_smaller


def _order(option: PlacementOption) -> tuple[float, float]:
    """Order by the rank; among equals by the seconds of all sizes."""
    return round(rank(option), 6), sum(each.picture_s for each in option.predictions)


def _choose(situation: Situation) -> Placed | None:
    options = sorted(fitting_options(situation), key=_order)
    if not options:
        return None
    best = _of_format(options)
    return Placed(
        option=best,
        reason=_reason(situation, best, options),
        sizes=situation.sizes,
        alternatives=_distinct(options, best),
    )


def _of_format(options: Sequence[PlacementOption]) -> PlacementOption:
    """Return the fastest option of the format that is right for the host."""
    fastest = options[0]
    in_bf16 = _first(options, {WeightFormat.BF16})
    if in_bf16 is None or fastest is in_bf16:
        return fastest
    fits = any(
        each.plan.resident_blocks is None for each in options if each.plan.weight_format is WeightFormat.BF16
    )
    limit = MUCH_SLOWER if fits else SLOWER
    return in_bf16 if in_bf16.expected_s <= limit * fastest.expected_s else fastest


def _reason(situation: Situation, best: PlacementOption, options: Sequence[PlacementOption]) -> PlanReason:
    plan, model, usual = best.plan, situation.model, best.predictions[0]
    facts: dict[str, object] = {
        "format": plan.weight_format.value,
        "encoder": plan.encoder.value,
        "seconds": usual.picture_s + usual.prompt_s,
        "size": usual.size,
        "resident": usual.resident_blocks,
        "blocks": model.blocks,
        "bytes": best.bytes,
        "free_bytes": situation.card.free_bytes,
        "tiles": plan.vae_in_parts,
    }
    in_bf16 = _first(options, {WeightFormat.BF16})
    hint = ""
    if plan.weight_format is WeightFormat.BF16:
        hint = _eight_bit_hint(situation, best, facts)
    elif in_bf16 is not None:
        hint = "eight_bits"
        facts["bf16_s"] = in_bf16.predictions[0].picture_s + in_bf16.predictions[0].prompt_s
    return PlanReason(layout_of(best), facts, hint)


def _eight_bit_hint(situation: Situation, best: PlacementOption, facts: dict[str, object]) -> str:
    """Note a format that the host could allow, if it is much faster."""
    everything = fitting_options(replace(situation, formats=EVERY_FORMAT))
    other = _first(sorted(everything, key=_order), {WeightFormat.FP8, WeightFormat.INT8})
    if other is None or best.expected_s <= SLOWER * other.expected_s:
        return ""
    facts["other"] = other.plan.weight_format.value
    facts["other_s"] = other.predictions[0].picture_s + other.predictions[0].prompt_s
    return "allow_eight_bits"


def layout_of(option: PlacementOption) -> str:
    """Return the code of an option's layout, as in ``PlanReason``."""
    plan = option.plan
    if plan.base is WeightLocation.CARD:
        return "two_copies"
    code = "streamed" if option.streamed_bytes else "one_copy"
    return code if plan.base is WeightLocation.PINNED else f"{code}_disk"


def _first(options: Iterable[PlacementOption], formats: set[WeightFormat]) -> PlacementOption | None:
    return next((each for each in options if each.plan.weight_format in formats), None)


def _distinct(options: Sequence[PlacementOption], best: PlacementOption) -> tuple[PlacementOption, ...]:
    """Return the fastest option of each other layout, format and place of the encoder."""
    found: dict[tuple[str, WeightFormat, WeightLocation], PlacementOption] = {}
    for option in options:
        found.setdefault((layout_of(option), option.plan.weight_format, option.plan.encoder), option)
    return tuple(each for each in found.values() if each is not best)


def _refuse(situation: Situation) -> NoPlan:
    smallest, free = smallest_option(situation), situation.card.free_bytes
    if smallest.bytes <= situation.card.total_bytes:
        advice = "close_programs"
    elif smallest_option(replace(situation, formats=EVERY_FORMAT)).bytes <= free:
        advice = "allow_int8"
    else:
        advice = "larger_card"
    return NoPlan(needed_bytes=smallest.bytes, missing_bytes=smallest.bytes - free, advice=advice)
