"""Rows 36 and 36b: LoRAs that are switched. The measurements are in ``tests/crash/loras``."""

import asyncio

from tests.crash.rows import Measured, Row, Scale

FLAT = 0.01
PICTURES = 4  # of each person in each block
PAUSE_S, SHORT_PAUSE_S = 3.0, 0.2  # between two changes of the host


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


def load(scale: Scale) -> Measured:
    """Let people draw while a host switches; waits are compared in the long form only, and do not decide."""
    from tests.crash.loras.load import draw_under_load, draw_while_switching, longest_s

    if scale.is_long:
        found = asyncio.run(draw_under_load(scale.folder, scale.of(1, 8), PICTURES, PAUSE_S))
    else:
        found = asyncio.run(draw_while_switching(scale.folder, 1, SHORT_PAUSE_S))
    problems = [*found.failed, *found.wrong, *found.not_switched]
    figures = (
        f"{found.pictures:,} pictures, {found.refused} requests refused with a sentence, "
        f"{found.switched} switches and {found.changes} changes of a file: {len(found.failed)} jobs failed, "
        f"{found.lost} requests without an answer, {len(found.wrong)} pictures other than accepted, "
        f"{len(found.not_switched)} wrong answers to the host"
    )
    if problems:
        figures += f"; first: {problems[0]}"
    if scale.is_long:
        quiet, busy = (longest_s(found.waits_s[has_switches]) for has_switches in (False, True))
        figures += (
            f"; neighbours wait for {busy:.2f} s instead of {quiet:.2f} s (p99): {busy / quiet - 1:+.1%}"
        )
    return Measured(figures, not problems and not found.lost and found.switched > 0)


ROWS = (
    Row(
        "36",
        "A→B→A: another LoRA on every picture, through desk and worker",
        "1,000 of 1,000 bit-equal to A alone; LoRAs take the same memory all the time, "
        "resident memory flat within 1 %",
        purity,
    ),
    Row(
        "36b",
        "20 people draw while a host switches defaults, and a file is added, replaced, broken and removed",
        "0 jobs fail, each picture is of the content it was accepted with; p99 of neighbours (goal: +≤ 5 %)",
        load,
    ),
)
