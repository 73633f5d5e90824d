"""Row 36: LoRAs that are switched. The measurements are in ``tests/crash/loras``."""

import asyncio

from tests.crash.rows import Measured, Row, Scale

FLAT = 0.01


def purity(scale: Scale) -> Measured:
    """Switch the LoRA on every picture of a whole bot; resident memory counts in the long form only."""
    from tests.crash.loras.purity import growth, looks, switch

    switches = scale.of(12, 1_000)
    chosen = looks(has_kinds=scale.is_long)
    found = asyncio.run(switch(scale.folder, chosen, switches))
    parent, worker = growth(found.parent_bytes), growth(found.worker_bytes)
    figures = (
        f"{found.pictures:,} switches between {len(chosen)} looks: {found.wrong} pictures not bit-equal to "
        f"those of a worker that drew nothing else, {found.failed} failed; "
        f"the LoRAs in the worker {_bytes(found.cache_bytes)}"
    )
    if scale.is_long:
        figures += f"; resident memory of the bot {parent:+.2%}, of the worker {worker:+.2%}"
    is_flat = len(found.cache_bytes) == 1 and (max(parent, worker) <= FLAT or not scale.is_long)
    return Measured(figures, not found.wrong and not found.failed and is_flat)


def _bytes(found: set[int]) -> str:
    least, most = min(found) / 2**20, max(found) / 2**20
    return f"take {most:.1f} MiB" if least == most else f"take {least:.1f} to {most:.1f} MiB"


ROWS = (
    Row(
        "36",
        "A→B→A: another LoRA on every picture, through desk and worker",
        "1,000 of 1,000 bit-equal to A alone; LoRAs take the same memory all the time, "
        "resident memory flat within 1 %",
        purity,
    ),
)
