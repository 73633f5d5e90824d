"""``sugarbot plan``: where the model would live on a card, and what pictures would take; loads nothing."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from bot.cli.screen import Screen, add_row
from bot.errors import NoCard, UnknownCard
from bot.messages import N_, text
from bot.messages.plans import format_layout, format_no_plan, format_plan, format_seconds, plan_rows
from bot.settings import Settings
from engine.checkpoint.model import find_model
from engine.checkpoint.part_sizes import Z_IMAGE_TURBO, ModelSizes, read_model_sizes
from engine.config import AUTO, BUILT_IN, WeightFormat
from engine.errors import ModelError
from engine.formatting import GIB, format_gib
from engine.planner.machine import CardProbe
from engine.planner.main_memory import read_main_memory
from engine.planner.placement.cards import KNOWN_CARDS, find_card
from engine.planner.placement.choose import choose_plan, formats_of
from engine.planner.placement.values import (
    CardInfo,
    NoPlan,
    Placed,
    PlacementOption,
    Situation,
    WantedSize,
)

SIZES: tuple[WantedSize, ...] = ((512, 768), (512, 512), (1024, 1024), (1024, 1536))
RAM_GIB = 32.0  # of a machine that is only asked about
SHOWN = 6  # rejected plans
PRECISIONS = (AUTO, *WeightFormat)
_SIZE = re.compile(r"(\d{2,4})[x×](\d{2,4})")
_SIDES_PX = range(64, 8193, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanQuestion:
    """The options of the command; None and empty mean: as this machine is, or as the settings say."""

    card: str = ""
    free_gib: float | None = None
    ram_gib: float | None = None
    size: WantedSize | None = None
    precision: str = ""
    as_json: bool = False


def read_size(typed: str) -> WantedSize | None:
    """Return a size like ``1024x1024``; None if a side is no multiple of 16 from 64 to 8192."""
    found = _SIZE.fullmatch(typed)
    size = (int(found[1]), int(found[2])) if found else None
    return size if size and all(side in _SIDES_PX for side in size) else None


async def report(settings: Settings, question: PlanQuestion) -> int:
    """Print the plan; return 1 if none fits.

    Raises:
        UnknownCard: The named card is not known.
        NoCard: None is named, and this machine has none.
    """
    card = await asyncio.to_thread(_card, settings, question)
    model = await asyncio.to_thread(_model, settings)
    situation = Situation(
        card=card,
        ram_free_bytes=_ram_bytes(question),
        model=model,
        sizes=(question.size,) if question.size else SIZES,
        formats=formats_of(question.precision or settings.engine.precision),
    )
    answer = await asyncio.to_thread(choose_plan, situation)
    if question.as_json:
        print(json.dumps({"card": asdict(card), "answer": asdict(answer)}, indent=2))  # noqa: T201
    else:
        _print(Screen(), situation, answer, settings.language)
    return int(isinstance(answer, NoPlan))


def _card(settings: Settings, question: PlanQuestion) -> CardInfo:
    free_bytes = None if question.free_gib is None else round(question.free_gib * GIB)
    if question.card:
        known = find_card(question.card)
        if known is None:
            raise UnknownCard(name=question.card, cards=tuple(card.name for card in KNOWN_CARDS))
        return known.info(free_bytes)
    config = settings.to_engine_config()
    card = CardProbe(config.device, config.reserve_bytes).read()
    if card is None:
        raise NoCard(cards=tuple(card.name for card in KNOWN_CARDS))
    return card.with_free(free_bytes) if free_bytes is not None else card


def _model(settings: Settings) -> ModelSizes:
    """Return the sizes of the host's own model; those of Z-Image-Turbo if it is not on the disk."""
    if settings.engine.model == BUILT_IN:
        return Z_IMAGE_TURBO
    try:
        folder: Path = find_model(settings.to_engine_config(), download=False).folder
    except ModelError:
        return Z_IMAGE_TURBO
    return read_model_sizes(folder)


def _ram_bytes(question: PlanQuestion) -> int:
    if question.ram_gib is None and not question.card:
        return read_main_memory()[1]
    return round((RAM_GIB if question.ram_gib is None else question.ram_gib) * GIB)


def _print(out: Screen, situation: Situation, answer: Placed | NoPlan, locale: str) -> None:
    card = situation.card
    out.print_line(
        text(
            N_("{name}: {free} free, link {link} GB/s, main memory {ram}. Rates: {source}."),
            locale,
            name=card.name,
            free=format_gib(card.free_bytes),
            link=f"{card.link_bytes_s / 1e9:.0f}",
            ram=format_gib(situation.ram_free_bytes),
            source=card.rates.source,
        )
    )
    if isinstance(answer, NoPlan):
        out.print_line(format_no_plan(answer, locale))
        return
    out.print_line(format_plan(answer.reason, locale))
    header, *rows = plan_rows(answer, locale)
    table = Table(*header)
    for row in rows:
        add_row(table, row)
    out.print(table)
    out.print_line(text(N_("All figures are predicted by arithmetic, not measured."), locale))
    if answer.alternatives:
        out.print_line(text(N_("Also possible:"), locale))
        _print_options(out, answer.alternatives[:SHOWN], situation, locale)


def _print_options(
    out: Screen, options: Sequence[PlacementOption], situation: Situation, locale: str
) -> None:
    for option in options:
        usual = option.predictions[0]
        seconds = format_seconds(usual.picture_s + usual.prompt_s)
        layout = format_layout(option, situation.model.blocks, locale)
        facts = {"seconds": seconds, "memory": format_gib(option.bytes), "layout": layout}
        line = text(N_("{seconds} s, {memory}: {layout}"), locale, **facts)
        out.print_line(f"  {line}")
