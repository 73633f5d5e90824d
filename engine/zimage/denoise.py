"""Noise → latents: one forward per step for all pictures of a batch, each at its own step.

A picture may also begin with the latents of an earlier one, to which noise is added.

The same noise, prompt and LoRAs give the same latents as the stock pipeline without guidance, independent of
the other pictures of the batch.
"""

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.cuda.upload import upload
from engine.lora.adapter import LoraStack
from engine.lora.bank import Bank
from engine.zimage.forward.forward import Batch, Forward, RefinedCaption
from engine.zimage.forward.tokens import LatentSize

MAX_STEPS_AHEAD = 1  # steps queued on the card behind the running one


@dataclass(eq=False)
class LatentRow:
    """One picture being denoised.

    Attributes:
        caption: From ``Forward.refine_caption``, with the LoRAs of ``stack``.
        stack: The picture's LoRAs.
        sigmas: From ``schedule.sigma_schedule``.
        latents: float32 (1, channels, height / 8, width / 8); initially from ``draw_noise`` or ``add_noise``.
        step: Number of steps taken.
    """

    caption: RefinedCaption
    stack: LoraStack
    sigmas: list[float]
    latents: Tensor
    step: int = 0

    @property
    def is_done(self) -> bool:
        """Whether all steps are taken."""
        return self.step == len(self.sigmas) - 1

    @property
    def size(self) -> LatentSize:
        """Height and width of the latents."""
        height, width = self.latents.shape[-2:]
        return height, width


class Denoiser:
    """Pictures that take their steps together. A picture may join or leave between two steps.

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
        """Refine a prompt's embedding with the LoRAs of its pictures.

        Args:
            embedding: Shape (tokens, width), from ``Text.embed``, on the model's device.
            stack: The LoRAs.
        """
        self._batch = None  # the bank's next patches invalidate those of the batch
        return self._forward.refine_caption(embedding, self._bank.patches([stack]))

    def join(self, row: LatentRow) -> None:
        """Add a picture to the batch from the next step on."""
        if row.latents.device != self._forward.device:
            row.latents = upload(row.latents, self._forward.device)
        self._rows.append(row)
        self._batch = None

    def leave(self, row: LatentRow) -> None:
        """Remove a picture from the batch, done or not. Does nothing if it has already left."""
        if row in self._rows:
            self._rows.remove(row)
            self._batch = None

    def forget_batch(self) -> None:
        """Free what the last step used; the next one may find its weights elsewhere."""
        self._batch = None
        self._forward.drop_caches()

    def step(self) -> None:
        """Take one step with every row. Finished rows leave the batch."""
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
