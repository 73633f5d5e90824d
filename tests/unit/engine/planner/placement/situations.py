"""Situations for the planner's tests."""

from engine.checkpoint.part_sizes import Z_IMAGE_TURBO
from engine.config import WeightFormat
from engine.formatting import GIB
from engine.planner.placement.cards import find_card
from engine.planner.placement.values import Situation, WantedSize

SIZES: tuple[WantedSize, ...] = ((512, 768), (1024, 1024), (1024, 1536))
EVERY = frozenset(WeightFormat)
BF16 = frozenset({WeightFormat.BF16})


def situation(
    card: str = "H200",
    free_gib: float | None = None,
    ram_gib: float = 64.0,
    formats: frozenset[WeightFormat] = BF16,
    *,
    sizes: tuple[WantedSize, ...] = SIZES,
) -> Situation:
    """A card of the table with so much free, and Z-Image-Turbo."""
    known = find_card(card)
    assert known is not None
    return Situation(
        card=known.info(None if free_gib is None else round(free_gib * GIB)),
        ram_free_bytes=round(ram_gib * GIB),
        model=Z_IMAGE_TURBO,
        sizes=sizes,
        formats=formats,
    )
