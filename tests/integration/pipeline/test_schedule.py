"""The noise levels equal the library's, and other schedules are refused."""

import itertools
from typing import Any

import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from pydantic import ValidationError

from engine.request import remaining_steps
from engine.zimage.schedule import ScheduleConfig, sigma_schedule


@pytest.mark.parametrize("shift", [1.0, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 9])
def test_levels_fall_from_one_to_zero_as_the_librarys_do(shift: float, steps: int) -> None:
    library = FlowMatchEulerDiscreteScheduler(shift=shift)
    library.set_timesteps(sigmas=[1 - (1 - 1 / steps) * step / max(1, steps - 1) for step in range(steps)])

    sigmas = sigma_schedule(ScheduleConfig.model_validate(dict(library.config)), steps)

    assert (len(sigmas), sigmas[0], sigmas[-1]) == (steps + 1, 1.0, 0.0)
    assert all(later < earlier for earlier, later in itertools.pairwise(sigmas))
    assert sigmas == pytest.approx(library.sigmas.tolist(), rel=3e-7)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_part_of_a_schedule_is_its_end(shift: float) -> None:
    config = ScheduleConfig(shift=shift)
    whole = sigma_schedule(config, 8)
    assert sigma_schedule(config, 8, 1.0) == whole
    for taken in range(1, 9):
        assert sigma_schedule(config, 8, taken / 8) == pytest.approx(whole[-taken - 1 :], rel=3e-7)


@pytest.mark.parametrize("strength", [0.01, 0.2, 0.3, 0.45, 0.6, 0.99])
def test_a_part_between_two_steps_begins_exactly_there(strength: float) -> None:
    config = ScheduleConfig(shift=3.0)
    sigmas = sigma_schedule(config, 8, strength)
    assert sigmas[0] == pytest.approx(3 * strength / (1 + 2 * strength))
    assert len(sigmas) == remaining_steps(8, strength) + 1
    before_shift = [sigma / (3 - 2 * sigma) for sigma in sigmas]
    lengths = [one - next_one for one, next_one in itertools.pairwise(before_shift)]
    assert lengths == pytest.approx([strength / len(lengths)] * len(lengths), rel=1e-5)
    assert max(lengths) <= 1 / 8 + 1e-6


@pytest.mark.parametrize(
    "other", [{"use_dynamic_shifting": True}, {"use_karras_sigmas": True}, {"shift_terminal": 0.1}]
)
def test_another_form_of_schedule_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="another form"):
        ScheduleConfig.model_validate(other)
