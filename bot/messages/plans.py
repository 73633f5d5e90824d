"""The sentences about where the model lives on the card, and the table that ``sugarbot plan`` prints."""

from collections.abc import Mapping

from bot.messages.catalogue import N_, text
from engine.formatting import in_gib
from engine.planner.placement.choose import layout_of
from engine.planner.placement.values import NoPlan, Placed, PlacementOption, PlanReason

LAYOUTS = {
    "two_copies": N_("the whole model is on the card, with a second copy of its weights for LoRAs"),
    "one_copy": N_("one copy of the weights is on the card, and the original in main memory"),
    "one_copy_disk": N_("one copy of the weights is on the card, and the original on the disk"),
    "streamed": N_(
        "{resident} of {blocks} blocks stay on the card, and the others come from main memory in every step"
    ),
    "streamed_disk": N_(
        "{resident} of {blocks} blocks stay on the card, and the others come from the disk in every step"
    ),
}
ENCODERS = {
    "card": N_("the text encoder stays on the card"),
    "pinned": N_("the text encoder comes from main memory for a new prompt"),
    "disk": N_("the text encoder comes from the disk for a new prompt"),
}
SENTENCES = {
    "": N_("{format}: {layout}; {encoder}; about {seconds} s for {size}."),
    "tiles": N_(
        "{format}: {layout}; {encoder}; pictures are decoded in tiles; about {seconds} s for {size}."
    ),
}
HINTS = {
    "eight_bits": N_("{format} was chosen because bf16 does not fit and would take {bf16_s} s."),
    "allow_eight_bits": N_(
        "In {other} it would take {other_s} s, with slightly different pictures: "
        'engine.precision = "{other}".'
    ),
    "no_units": N_("This card cannot multiply in {wanted}, so bf16 is used."),
}
ADVICE = {
    "close_programs": N_("Close other programs that use the card."),
    "allow_int8": N_('Allow eight bits: engine.precision = "auto".'),
    "larger_card": N_("The card is too small for this model."),
}


def format_plan(reason: PlanReason, locale: str) -> str:
    """Return the plan and its reason, with the advice that it holds."""
    facts = _readable(reason.facts)
    parts = {
        "layout": text(LAYOUTS[reason.code], locale, **facts),
        "encoder": text(ENCODERS[str(reason.facts["encoder"])], locale),
    }
    kind = "tiles" if reason.facts["tiles"] else ""
    sentence = text(SENTENCES[kind], locale, **{**facts, **parts})
    hint = text(HINTS[reason.hint], locale, **facts) if reason.hint else ""
    return f"{sentence}{'' if locale == 'zh-CN' else ' '}{hint}".rstrip()


def format_no_plan(refusal: NoPlan, locale: str) -> str:
    """Return what is missing, and what to do."""
    return text(
        N_(
            "No plan fits: the smallest needs {needed} GiB of the card, {missing} GiB more than is free. "
            "{advice}"
        ),
        locale,
        needed=in_gib(refusal.needed_bytes),
        missing=in_gib(refusal.missing_bytes, digits=2),
        advice=text(ADVICE[refusal.advice], locale),
    )


def format_layout(option: PlacementOption, blocks: int, locale: str) -> str:
    """Return one option in a few words."""
    resident = blocks if option.plan.resident_blocks is None else option.plan.resident_blocks
    layout = text(LAYOUTS[layout_of(option)], locale, resident=resident, blocks=blocks)
    return text(
        N_("{format}: {layout}; {encoder}"),
        locale,
        format=option.plan.weight_format.value,
        layout=layout,
        encoder=text(ENCODERS[option.plan.encoder], locale),
    )


def plan_rows(placed: Placed, locale: str) -> list[tuple[str, ...]]:
    """Return the table of a plan: a header, then a row for each size, with seconds and GiB."""
    titles = (
        N_("size"),
        N_("same prompt, s"),
        N_("new prompt, s"),
        N_("new prompt and LoRA, s"),
        N_("a step, s"),
        N_("peak, GiB"),
    )
    rows = [tuple(text(title, locale) for title in titles)]
    for each in placed.option.predictions:
        seconds = (each.picture_s, each.picture_s + each.prompt_s, each.first_s, each.step_s)
        size = f"{each.size[0]} × {each.size[1]}"
        rows.append((size, *map(format_seconds, seconds), in_gib(each.bytes)))
    return rows


def format_seconds(seconds: float) -> str:
    """Return predicted seconds with two significant digits: ``0.29``, ``3.4``, ``34``."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def _readable(facts: Mapping[str, object]) -> dict[str, object]:
    return {key: format_seconds(fact) if isinstance(fact, float) else fact for key, fact in facts.items()}
