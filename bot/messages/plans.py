"""The sentences about where the model lives on the card, and the table that ``sugarbot plan`` prints."""

from collections.abc import Iterator, Mapping

from bot.languages import is_chinese
from bot.messages.catalogue import N_, Times, format_time, join_facts, text
from bot.messages.details import translate_detail
from engine.formatting import in_gib
from engine.host.report import CardReport
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
        "{format}: {layout}; {encoder}; pictures are decoded in parts; about {seconds} s for {size}."
    ),
}
HINTS = {
    "eight_bits": N_(
        "In bf16 it would take {bf16_s} s, so {format} was chosen; its pictures differ slightly."
    ),
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
    return f"{sentence}{'' if is_chinese(locale) else ' '}{hint}".rstrip()


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
    resident = option.predictions[0].resident_blocks
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


STATES = {
    "loading": N_("The model is being loaded."),
    "ready": N_("The model is loaded."),
    "moving": N_("The model moves to another place on the card; jobs wait for it."),
    "released": N_("The card is released, because no job came for a while; the next one loads the model."),
    "lost": N_("The worker was lost and is being replaced."),
}


def card_chart_name(locale: str) -> str:
    """Return what the picture beside ``/gpu`` shows, for screen readers."""
    return text(N_("The last hour of the card"), locale)


def _memory_facts(report: CardReport, locale: str) -> Iterator[str]:
    memory = report.memory
    if memory.total_bytes:
        sizes = {"used": in_gib(memory.used_bytes), "total": in_gib(memory.total_bytes)}
        yield text(N_("{used} of {total} GiB used"), locale, **sizes)
        yield text(N_("{free} GiB free for a job"), locale, free=in_gib(memory.free_bytes))
    if not memory.is_known:
        yield text(N_("unknown for {seconds} s"), locale, seconds=round(memory.unknown_s or 0))


def _sensor_facts(report: CardReport, locale: str) -> Iterator[str]:
    if (sensors := report.sensors) is None:
        return
    if sensors.utilisation is not None:
        yield text(N_("load {percent} %"), locale, percent=round(100 * sensors.utilisation))
    if sensors.temperature_c is not None:
        yield f"{sensors.temperature_c} °C"
    if sensors.power_w is not None:
        yield f"{sensors.power_w:.0f} W"


def format_card(report: CardReport, locale: str, times: Times) -> str:
    """Return the answer to ``/gpu``: memory, load, the plan in one sentence, and recent errors."""
    waiting = text(N_("{count} waiting"), locale, count=report.waiting)
    facts = [
        translate_detail(report.device_name, locale),
        *_memory_facts(report, locale),
        *_sensor_facts(report, locale),
        waiting,
    ]
    state = text(STATES[report.state], locale)
    if report.loading_s is not None:
        seconds = text(N_("A start takes about {seconds} s."), locale, seconds=round(report.loading_s))
        state = f"{state}{'' if is_chinese(locale) else ' '}{seconds}"
    lines = [join_facts(facts), state]
    if report.default_lora:
        lines.append(text(N_("Default LoRA here: {name}"), locale, name=report.default_lora))
    elif report.default_lora is not None:
        lines.append(text(N_("Default LoRA here: none"), locale))
    if report.plan is not None:
        lines.append(format_plan(report.plan, locale))
    if report.errors:
        lines.append(text(N_("Recent errors:"), locale))
        lines += [
            f"{format_time(round(error.at_s), times)} {translate_detail(error.detail, locale)}"
            for error in report.errors
        ]
    return "\n".join(lines)
