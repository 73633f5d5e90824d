"""The noise levels of a model's steps, as its scheduler's configuration says."""

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from engine.request import remaining_steps


class ScheduleConfig(BaseModel):
    """``scheduler/scheduler_config.json``; other fields are ignored.

    Raises:
        ValueError: The schedule has another form.
    """

    model_config = ConfigDict(frozen=True)

    shift: float = 1.0
    use_dynamic_shifting: bool = False
    invert_sigmas: bool = False
    use_beta_sigmas: bool = False
    use_exponential_sigmas: bool = False
    use_karras_sigmas: bool = False
    shift_terminal: float | None = None

    def model_post_init(self, _: Any) -> None:
        """Check that the levels depend on the shift alone."""
        others = (self.use_beta_sigmas, self.use_exponential_sigmas, self.use_karras_sigmas)
        if self.use_dynamic_shifting or self.invert_sigmas or self.shift_terminal or any(others):
            raise ValueError("The schedule has another form than Z-Image-Turbo's.")


def sigma_schedule(config: ScheduleConfig, steps: int, strength: float = 1.0) -> list[float]:
    """Return the noise level before each step and after the last, which is 0.

    The last ``strength`` of a schedule of ``steps`` steps, in as many steps as begin in it, all of one length
    before the shift. 1.0 is the whole schedule, from 1; a whole number of ``steps`` parts is its end.

    Args:
        config: The model's.
        steps: At least 1. Turbo is distilled for 8.
        strength: 0 < … <= 1.
    """
    taken = remaining_steps(steps, strength)
    # Down to one step's length, so that each step moves.
    sigmas = torch.linspace(strength, strength / taken, taken)
    sigmas = config.shift * sigmas / (1 + (config.shift - 1) * sigmas)
    return [*sigmas.tolist(), 0.0]
