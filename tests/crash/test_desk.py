"""kill -9 at random moments under desk and store: nothing lost, nothing charged twice, everybody told.

``SUGARBOT_KILLS`` sets how many.
"""

import os
from pathlib import Path

import pytest

from tests.crash.harness import Harness
from tests.crash.life import FAULTS, live

KILLS = int(os.environ.get("SUGARBOT_KILLS", "20"))

pytestmark = pytest.mark.slow


@pytest.mark.timeout(120 + 3 * KILLS)
def test_no_job_is_lost_and_none_charged_twice_however_often_the_process_is_killed(tmp_path: Path) -> None:
    harness = Harness(live, tmp_path, events=4 * KILLS)
    assert harness.kill(KILLS) > KILLS / 2
    assert harness.finish(timeout_s=90 + KILLS)
    finding = harness.find()
    assert finding.broken_laws == ()
    assert finding.jobs == 4 * KILLS
    assert (
        finding.told_again <= KILLS
    )  # told and not yet marked when the kill came: shown at the same message


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(tmp_path: Path, fault: str) -> None:
    """A harness that cannot fail proves nothing."""
    for seed in range(1, 9):
        folder = tmp_path / str(seed)
        folder.mkdir()
        harness = Harness(live, folder, events=60, fault=fault)
        harness.kill(15, seed)
        if not harness.finish(timeout_s=15) or harness.find().broken_laws:
            return
    pytest.fail(f"{fault}: not found in 120 kills")
