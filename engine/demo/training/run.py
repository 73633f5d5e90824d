"""A training run: its folder, its time limit, its progress bar and its checkpoints.

Each stage is a loop over numbered steps that writes a checkpoint every few minutes. At the time limit it
writes one more and raises ``TimeLimitReached``. The same command then resumes at that step. A finished stage
never runs twice.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import cos, pi
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from engine.demo.training.precision import working_dtype
from engine.durable import make_folder, remove_drafts, replacing

LOG_EVERY = 50  # steps
SAVE_EVERY_S = 240.0


class TimeLimitReached(Exception):
    """The time limit of this call is reached. The same command resumes the run."""


class Stateful(Protocol):
    """What a checkpoint keeps: modules, optimizers, averages."""

    def state_dict(self) -> Any:
        """Return the state to save."""

    def load_state_dict(self, state: Any) -> Any:
        """Restore a saved state."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The amount of training; :func:`smoke` takes a minute, for tests.

    Attributes:
        faces: Rendered faces at the native size; ``others`` at each other size, ``styled`` for each style and
            strength.
        sizes: Number of sizes in training, the native one first.
        supersampling: Each pixel is the mean of ``supersampling``² rendered ones.
        captions: Captions per face.
        readings: Captions for the text encoder's stage.
        read, vae, flow, distil, lora, probe: Steps of each stage; ``*_batch`` are their pictures per step.
    """

    faces: int = 24_576
    others: int = 3_072
    styled: int = 2_048
    sizes: int = 7
    supersampling: int = 2
    captions: int = 5
    readings: int = 60_000
    read: int = 2_000
    read_batch: int = 128
    vae: int = 4_500
    vae_batch: int = 32
    flow: int = 10_000
    flow_batch: int = 256
    distil: int = 1_500
    distil_batch: int = 128
    lora: int = 500
    lora_batch: int = 128
    probe: int = 1_800
    probe_batch: int = 256


def smoke() -> TrainingPlan:
    """Return the smallest plan that runs every stage, for a CPU."""
    return TrainingPlan(
        faces=4, others=2, styled=2, sizes=2, supersampling=1, captions=2, readings=40, read=2, read_batch=4,
        vae=2, vae_batch=2, flow=3, flow_batch=4, distil=2, distil_batch=2, lora=2, lora_batch=2, probe=2,
        probe_batch=8,
    )  # fmt: skip


@dataclass
class TrainingRun:
    """One call of the training command.

    Attributes:
        out: Folder of checkpoints, losses and results.
        stop_at: ``time.monotonic`` at which a stage writes its checkpoint and stops.
    """

    out: Path
    device: torch.device
    plan: TrainingPlan
    seed: int
    stop_at: float
    compiled: bool = False
    losses: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    @property
    def on_card(self) -> bool:
        """Whether the run uses a card."""
        return self.device.type == "cuda"

    def is_done(self, stage: str) -> bool:
        """Whether the stage finished in an earlier call or this one."""
        return (self.out / f"{stage}.done.pt").is_file()

    def result(self, stage: str) -> dict[str, Any]:
        """Return what the finished stage saved: name → state dict, on the run's device."""
        return self._read(self.out / f"{stage}.done.pt")

    def finish(self, stage: str, state: Mapping[str, Any]) -> None:
        """Save the stage's result; delete its checkpoint, and the drafts that a kill left."""
        _write(self.out / f"{stage}.done.pt", dict(state))
        (self.out / f"{stage}.part.pt").unlink(missing_ok=True)
        remove_drafts(self.out, re.compile(rf"{re.escape(stage)}\.(part|done)\.pt"))

    def steps(self, stage: str, total: int, keep: Mapping[str, Stateful]) -> Iterator[int]:
        """Yield the stage's steps from its checkpoint on, with a progress bar.

        Raises:
            TimeLimitReached: After a checkpoint of ``keep`` was written.
        """
        part = self.out / f"{stage}.part.pt"
        first = self._resume(part, stage, keep) if part.is_file() else 0
        torch.manual_seed(self.seed * 1_000_003 + first)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        with Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[loss]}")) as bar:
            task = bar.add_task(stage, total=total, completed=first, loss="")
            start = saved = time.monotonic()
            for step in range(first, total):
                now = time.monotonic()
                if now >= min(self.stop_at, saved + SAVE_EVERY_S):
                    _write(part, {"step": step} | {name: item.state_dict() for name, item in keep.items()})
                    saved = now
                if now >= self.stop_at:
                    raise TimeLimitReached(stage)
                yield step
                seen = self.losses.get(stage)
                bar.update(task, advance=1, loss=f"{seen[-1][1]:.4f}" if seen else "")
            spent_s = time.monotonic() - start
            bar.console.print(f"{stage}: {total - first} steps in {spent_s:.0f} s")

    def log(self, stage: str, step: int, loss: Tensor) -> None:
        """Log every 50th step's loss, because reading a loss waits for the card."""
        if step % LOG_EVERY == 0:
            self.losses.setdefault(stage, []).append((step, float(loss.detach())))
            with (self.out / "losses.jsonl").open("a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"stage": stage, "step": step, "loss": self.losses[stage][-1][1]}) + "\n"
                )

    def _resume(self, part: Path, stage: str, keep: Mapping[str, Stateful]) -> int:
        state = self._read(part)
        for name, item in keep.items():
            item.load_state_dict(state[name])
        print(f"{stage} goes on at step {state['step']}")  # noqa: T201 - a command's own words
        return int(state["step"])

    def _read(self, path: Path) -> dict[str, Any]:
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        return state


class WeightAverage:
    """The exponential moving average of a module's weights, which is the stage's result.

    Attributes:
        weights: Name → mean, of every parameter and buffer.
    """

    def __init__(self, module: nn.Module, memory: float) -> None:
        self.memory = memory
        self.count = 0
        self.weights = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Add the module's weights. Early steps decay faster."""
        self.count += 1
        keep = min(self.memory, (1 + self.count) / (10 + self.count))
        means, now = list(self.weights.values()), list(module.state_dict().values())
        torch._foreach_lerp_(means, now, 1 - keep)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"count": self.count, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.count, self.weights = state["count"], state["weights"]


class MasterWeights:
    """A module in its device's working dtype, and the float32 master weights that the optimizer updates.

    Faster than autocast for a network that is mostly norms, because nothing is cast back and forth.
    """

    def __init__(self, module: nn.Module, peak: float, device: torch.device) -> None:
        self.copies = [weight.detach().clone() for weight in module.parameters()]
        self.module = module.to(working_dtype(device))
        self.optimizer = torch.optim.AdamW(
            self.copies, peak, betas=(0.9, 0.98), weight_decay=1e-4, fused=device.type == "cuda"
        )

    @torch.no_grad()
    def step(self) -> None:
        """Update the float32 weights with the module's gradients and round them into the module."""
        for copy, weight in zip(self.copies, self.module.parameters(), strict=True):
            copy.grad = None if weight.grad is None else weight.grad.float()
        torch.nn.utils.clip_grad_norm_(self.copies, 1.0)
        self.optimizer.step()
        torch._foreach_copy_(list(self.module.parameters()), self.copies)

    @torch.no_grad()
    def close(self) -> None:
        """Copy the float32 weights back into the module."""
        self.module.float()
        torch._foreach_copy_(list(self.module.parameters()), self.copies)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"copies": self.copies, "optimizer": self.optimizer.state_dict()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        torch._foreach_copy_(self.copies, state["copies"])
        torch._foreach_copy_(list(self.module.parameters()), self.copies)
        self.optimizer.load_state_dict(state["optimizer"])


def learning_rate(step: int, total: int, peak: float, warm: int) -> float:
    """Return the learning rate: linear warm-up over ``warm`` steps, then cosine decay to ``peak`` / 50."""
    if step < warm:
        return peak * (step + 1) / warm
    share = (step - warm) / max(1, total - warm)
    return peak * (0.02 + 0.98 * 0.5 * (1 + cos(pi * min(1.0, share))))


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = value


def _write(path: Path, state: dict[str, Any]) -> None:
    make_folder(path.parent)
    with replacing(path) as draft, draft.open("wb") as file:
        torch.save(state, file)
