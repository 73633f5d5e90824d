"""A whole bot draws with another LoRA each time: no picture depends on earlier ones, and memory is flat."""

import hashlib
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from PIL import Image
from safetensors.torch import load_file, save_file

from bot.outcomes import JobState
from engine.checkpoint.contents import linear_shapes, vector_lengths
from engine.config import BUILT_IN
from engine.demo.networks import WEIGHTS
from engine.request import Finished
from tests.card.caps import OpenBot, make_settings, open_bot
from tests.fakes.lora_files import other, plain
from tests.fakes.lora_files.parts import Model

SIZE = "128x128"
PROMPT, SEED = "a face with red lips", 36
LOOKS = ("none", "sugar", "anime:0.6", "realistic", "anime realistic", "sugar:-0.5")
KINDS = {  # a file of each way to change a layer, and the strength at which it still draws a face
    "low-rank": "prefix diffusion_model. with alpha",
    "kronecker": "LoKr on qkv, rows end within a factor's",
    "product": "LoHa",
    "magnitudes": "DoRA, dora_scale",
    "differences": "diff",
    "norms": "pairs, biases and norms",
}
WEIGHT = 0.05
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Switches:
    """What many switches did.

    Attributes:
        pictures: Drawn after another look.
        wrong: Of these, those that are not bit-equal to the look's picture by a new worker.
        failed: Jobs without a picture.
        cache_bytes: LoRAs in the worker after each picture, once each look was drawn.
        parent_bytes, worker_bytes: Resident memory after each picture.
    """

    pictures: int = 0
    wrong: int = 0
    failed: int = 0
    cache_bytes: set[int] = field(default_factory=set)
    parent_bytes: list[int] = field(default_factory=list)
    worker_bytes: list[int] = field(default_factory=list)


def write_kinds(folder: Path) -> None:
    """Write a LoRA of every kind for the built-in model."""
    weights = load_file(next((WEIGHTS / "transformer").glob("*.safetensors")))
    model = Model(linear_shapes(WEIGHTS), vector_lengths(WEIGHTS), {k: v.float() for k, v in weights.items()})
    makes = dict([*plain.files(), *other.files()])
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in KINDS.items():
        file = makes[made](model)
        save_file(file.tensors, folder / f"{name}.safetensors", file.metadata or None)


def looks(*, has_kinds: bool) -> tuple[str, ...]:
    """Return the LoRAs of each look, as a person types them."""
    return (*LOOKS, *(f"{name}:{WEIGHT}" for name in KINDS)) if has_kinds else LOOKS[:3]


async def switch(folder: Path, looks: Sequence[str], switches: int) -> Switches:
    """Draw every look with a worker of its own, then switch between them in one worker."""
    (folder / "loras").mkdir(parents=True)
    if len(looks) > len(LOOKS):
        write_kinds(folder / "loras")
    found, random = Switches(), Random(36)
    async with open_bot(make_settings(BUILT_IN, folder, "bf16")) as bot:
        alone: dict[str, str] = {}
        for look in looks:
            if alone:
                assert bot.application.host.move("each look gets a new worker")
            alone[look] = await _drawn(bot, look)
        for look in looks:  # all are in the caches from now on
            await _drawn(bot, look)
        before = looks[-1]
        for _ in range(switches):
            look = random.choice([each for each in looks if each != before])
            drawn = await _drawn(bot, look)
            found.pictures += 1
            found.failed += drawn == ""
            found.wrong += drawn not in ("", alone[look])
            _measure(bot, found)
            before = look
    assert len(set(alone.values())) == len(looks), "each look is another picture"
    return found


async def _drawn(bot: OpenBot, look: str) -> str:
    """Return the hash of a look's pixels; empty if its job failed."""
    lora = " ".join(f"--lora {each}" for each in look.split())
    answer = await bot.chat.say(
        f"/sugar --size {SIZE} --seed {SEED} {lora} -- {PROMPT}", user_name="a member"
    )
    if answer.state is not JobState.DONE:
        return ""
    [path] = answer.paths
    with Image.open(path) as picture:
        digest = hashlib.sha256(picture.tobytes()).hexdigest()
    path.unlink()
    return digest


def _measure(bot: OpenBot, found: Switches) -> None:
    info, end = bot.application.host.info, bot.stopwatch.outcomes[-1]
    assert info is not None
    assert isinstance(end, Finished)
    found.cache_bytes.add(end.lora_bytes)
    found.parent_bytes.append(resident_bytes(os.getpid()))
    found.worker_bytes.append(resident_bytes(info.pid))


def resident_bytes(pid: int) -> int:
    """The memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def growth(measured: Sequence[int]) -> float:
    """The part by which the last quarter is larger than the second, by their medians."""
    quarter = len(measured) // 4
    before, after = (statistics.median(measured[i * quarter : (i + 1) * quarter]) for i in (1, 3))
    return after / before - 1
