"""All plans that a machine allows, each with as many main blocks on the card as fit.

Only what makes a difference is tried: a base on the card needs no streaming, and a part of the model is in
page-locked memory only if main memory has room for it.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from engine.config import Plan, WeightFormat, WeightLocation
from engine.formatting import GIB, MIB
from engine.planner.placement.arithmetic import bytes_without_blocks, evaluate, filled, ram_bytes
from engine.planner.placement.values import PlacementOption, Situation

CARD_PART = 20  # the largest cache of LoRAs is a twentieth of the card: 44 LoRAs on an H200
LORA_CACHES = (GIB, 512 * MIB, 192 * MIB)  # six, three and one LoRA of rank 32 on every linear layer


def fitting_options(situation: Situation) -> list[PlacementOption]:
    """Return every plan that fits what is free, with its figures; unordered."""
    free = situation.card.free_bytes
    plans = (_filled(situation, plan) for plan in _plans(situation))
    options = (evaluate(situation, plan) for plan in plans if plan is not None)
    return [option for option in options if option.bytes <= free]


def smallest_option(situation: Situation) -> PlacementOption:
    """Return the plan that takes the least memory of the card, whether it fits or not."""
    options = []
    for plan in _plans(situation):
        streams = plan.base is not WeightLocation.CARD
        least = replace(plan, resident_blocks=0, budget_bytes=None) if streams else plan
        options.append(evaluate(situation, least))
    return min(options, key=lambda option: option.bytes)


def _plans(situation: Situation) -> Iterator[Plan]:
    """Yield the plans that main memory and the card's kind allow; resident blocks are not chosen yet."""
    card, model = situation.card, situation.model
    caches = {max(GIB, card.total_bytes // CARD_PART), *LORA_CACHES}
    formats = [each for each in WeightFormat if each in situation.formats and card.rates.flops(each)]
    for weight_format, base, encoder, tiles, cache in product(
        formats, WeightLocation, WeightLocation, (False, True), sorted(caches, reverse=True)
    ):
        plan = Plan(
            weight_format=weight_format,
            base=base,
            encoder=encoder,
            vae_in_parts=tiles,
            lora_cache_bytes=cache,
            budget_bytes=card.free_bytes,
        )
        if ram_bytes(model, plan) <= situation.ram_free_bytes or _reads_the_disk_only(plan):
            yield plan


def _reads_the_disk_only(plan: Plan) -> bool:
    """Whether no plan with this layout needs less main memory; it is tried even if memory is too small."""
    return plan.base is not WeightLocation.PINNED and plan.encoder is not WeightLocation.PINNED


def _filled(situation: Situation, plan: Plan) -> Plan | None:
    """Keep as many main blocks on the card as fit beside the largest picture; None if that does not fit."""
    model = situation.model
    largest = max(situation.sizes, key=lambda size: bytes_without_blocks(model, plan, size))
    return filled(model, plan, largest, situation.card.free_bytes)
