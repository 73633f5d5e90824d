"""Rows of jobs and money, under the desk and the store."""

from tests.crash.harness import Harness
from tests.crash.life import live
from tests.crash.rows import Measured, Row, Scale


def killed_at_random(scale: Scale) -> Measured:
    """Kill the desk at random moments, each life with a few jobs of its own."""
    kills = scale.of(20, 5_000)
    harness = Harness(live, scale.folder, events=4 * kills)
    met = harness.kill(kills)
    ended = harness.finish(timeout_s=90 + kills)
    found = harness.find()
    said = f"{met:,} kills, {found.jobs:,} jobs, {len(found.broken_laws)} laws broken"
    return Measured(said, ended and not found.broken_laws and found.jobs == 4 * kills)


ROWS = (
    Row(
        "1",
        "kill -9 at random points, desk and store",
        "5,000 kills: 0 lost, 0 charged twice, 0 charged without a picture, ledger exact, all told",
        killed_at_random,
    ),
)
