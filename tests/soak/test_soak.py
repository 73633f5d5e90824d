"""The soak in its short form: half a minute of use leaves nothing unanswered. Memory needs an hour."""

from pathlib import Path

import pytest

from tests.soak.run import soak

# discord.py measures from the heartbeat before, if an acknowledgement is quicker than its own thread.
HARMLESS = ("warning: Can't keep up", "warning: data folder was readable")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_half_a_minute_of_steady_use_leaves_nothing_unanswered(tmp_path: Path) -> None:
    report = await soak(tmp_path, 0.5, haste=2.0)
    assert report.acts > 10, report
    assert report.jobs["done"] > 3, report
    assert report.unanswered == report.failures == [], report
    assert len(report.parent_mib) > 5, report
    assert [text for text in report.warnings if not text.startswith(HARMLESS)] == [], report
