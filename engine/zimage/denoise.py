"""Noise → latents: one forward a step for every picture on its way, each at its own moment.

The same noise, prompt and LoRAs give the same latents as the stock pipeline without guidance, whatever is
drawn beside them. A picture's noise depends on its seed and size alone, never on the device.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.cuda.upload import upload
from engine.lora.bank import Bank
from engine.lora.patches import LoraStack
from engine.request import MAX_SEED
from engine.zimage.forward.forward import Batch, Forward, RefinedCaption
from engine.zimage.forward.tokens import LatentSize

PIXELS_PER_LATENT = 8  # of the VAE, along each side
MAX_STEPS_AHEAD = 1  # steps that the card has in hand beyond the running one


def draw_noise(seed: int, channels: int, width_px: int, height_px: int) -> Tensor:
    """The picture's starting point, drawn on the CPU for every device alike.

    Args:
        seed: Of this picture; taken modulo MAX_SEED + 1.
        channels: Of the latents, 16 in Z-Image.
        width_px: A multiple of 16.
        height_px: A multiple of 16.

    Returns:
        Shape (1, channels, height / 8, width / 8), float32.
    """
    generator = torch.Generator("cpu").manual_seed(seed % (MAX_SEED + 1))
    shape = (1, channels, height_px // PIXELS_PER_LATENT, width_px // PIXELS_PER_LATENT)
    return torch.randn(shape, generator=generator, dtype=torch.float32)


def sigma_schedule(scheduler: Any, steps: int) -> list[float]:
    """How much noise is left before each of ``steps`` steps, and after the last: 1 … 0.

    Args:
        scheduler: The pipeline's; its shift of time is in them.
        steps: At least 1; 8 is what Turbo is distilled for.
    """
    # From 1 down to 1/steps, so that each step moves; the scheduler adds the final 0.
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist())
    sigmas: list[float] = scheduler.sigmas.tolist()
    return sigmas


@dataclass(eq=False)
class LatentRow:
    """One picture on its way.

    Attributes:
        caption: From ``Forward.refine_caption``, with the LoRAs of ``stack``.
        stack: Its LoRAs.
        sigmas: From ``sigma_schedule``.
        latents: float32 (1, channels, height / 8, width / 8); from ``draw_noise`` at first.
        step: How many were taken.
    """

    caption: RefinedCaption
    stack: LoraStack
    sigmas: list[float]
    latents: Tensor
    step: int = 0

    @property
    def is_done(self) -> bool:
        """Whether the latents are the picture's."""
        return self.step == len(self.sigmas) - 1

    @property
    def size(self) -> LatentSize:
        """Of the latents: height, width."""
        height, width = self.latents.shape[-2:]
        return height, width


class Denoiser:
    """The pictures that take their steps together; any may join or leave between two steps.

    On a card, ``step`` queues a step while the previous one still runs, and returns when the previous one is
    done, so the card never waits for this process. A caller stops the work by not calling ``step`` again.
    """

    def __init__(self, forward: Forward, bank: Bank) -> None:
        self._forward = forward
        self._bank = bank
        self._rows: list[LatentRow] = []
        self._batch: Batch | None = None
        self._step_events: deque[torch.cuda.Event] = deque()

    def refine_caption(self, embedding: Tensor, stack: LoraStack) -> RefinedCaption:
        """Refine a prompt with the LoRAs of the pictures it is for.

        Args:
            embedding: Shape (tokens, width), from ``Text.embed``, on the model's device.
            stack: Their LoRAs.
        """
        self._batch = None  # its patches end with the bank's next
        return self._forward.refine_caption(embedding, self._bank.patches([stack]))

    def join(self, row: LatentRow) -> None:
        """Let a picture take part from the next step on."""
        row.latents = upload(row.latents, self._forward.device)
        self._rows.append(row)
        self._batch = None

    def leave(self, row: LatentRow) -> None:
        """Take a picture out, done or not; one that has left already is no error."""
        if row in self._rows:
            self._rows.remove(row)
            self._batch = None

    def release_extra_memory(self) -> None:
        """Do with less memory: without the second copy of the weights, and without recorded steps."""
        self._batch = None
        self._bank.release_extra_memory()
        self._forward.drop_caches()

    def step(self) -> None:
        """Take one step with every row; those that are done leave."""
        if self._batch is None:
            self._batch = self._make_batch()
        device = self._forward.device
        sigmas = torch.tensor([(row.sigmas[row.step], row.sigmas[row.step + 1]) for row in self._rows])
        sigmas = upload(sigmas, device)
        times = 1 - sigmas[:, 0]  # the model counts from noise to picture
        velocities = self._batch([row.latents[0] for row in self._rows], times)
        for row, velocity, (now, after) in zip(list(self._rows), velocities, sigmas, strict=True):
            row.latents = row.latents + (now - after) * velocity.float()
            row.step += 1
            if row.is_done:
                self.leave(row)
        if device.type == "cuda":
            self._step_events.append(torch.cuda.current_stream().record_event())
            # Without this wait the loop would run far ahead of the card: it would report steps that are not
            # done and notice a cancellation too late.
            while len(self._step_events) > MAX_STEPS_AHEAD:
                self._step_events.popleft().synchronize()

    def _make_batch(self) -> Batch:
        captions, sizes = [row.caption for row in self._rows], [row.size for row in self._rows]
        patches = self._bank.patches([row.stack for row in self._rows])
        return self._forward.batch(captions, sizes, patches)
