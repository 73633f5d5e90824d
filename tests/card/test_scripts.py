"""The scripts for the card run with the built-in model on a machine without one."""

from collections.abc import Iterator

import pytest
import structlog
import torch

from tests.card import caps, faults, new_lora, repeats

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason="on a card the scripts are run by hand"),
]


@pytest.fixture(autouse=True)
def usual_logging() -> Iterator[None]:
    """The scripts configure structlog for their whole process."""
    yield
    structlog.reset_defaults()


def test_the_caps_script_draws_every_kind_of_picture_and_a_crowd() -> None:
    (result,) = caps.main(["--rounds", "1", "--crowd", "6"])

    assert set(result.seconds["128x192"]) == {"first", "same", "new prompt", "new LoRA", "no LoRA"}
    assert result.crowd["done"] == 6
    assert sum(result.starts.values()) > 0, "a job was promised a wait"
    assert not result.failures


def test_jobs_are_drawn_at_the_second_attempt_after_a_killed_worker_and_a_cuda_error() -> None:
    killed, failed = faults.main(["--kills", "1", "--cuda-errors", "1"])

    assert killed.events == failed.events == 1
    assert set(killed.states) == set(failed.states) == {"done"}
    assert len(killed.lost_s) == len(failed.lost_s) == 2, "the job began again after the fault"
    assert killed.noticed_s[1] <= killed.lost_s[1]


def test_a_new_file_is_drawn_with_while_the_bot_idles_and_while_it_draws() -> None:
    assert set(new_lora.main([])) == {"idle_s", "busy_s"}


def test_repeated_jobs_have_the_pixels_of_a_fresh_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    one = dict(list(repeats.PLACEMENTS.items())[-1:])
    monkeypatch.setattr(repeats, "PLACEMENTS", one)

    result = repeats.main(["--pictures", "3", "--warm-up", "1", "--looks", "2", "--device", "cpu"])

    assert result.pictures == 3
    assert result.not_drawn == result.other_pixels == 0
    assert set(result.slope_mib) == set(one)
