"""Measures how soon a new LoRA file can be used: ``python -m tests.card.new_lora [--folder CHECKPOINT]``.

A file is copied into the folder of a running bot, once while it idles and once while it draws for others; the
seconds count until a picture with it is there. Prints one JSON line.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import tempfile
import time
from pathlib import Path

import structlog
from safetensors.torch import load_file, save_file

from bot.outcomes import JobState
from engine.config import BUILT_IN
from engine.demo.networks import LORAS
from tests.card.caps import OpenBot, make_settings, open_bot, remember

LIMIT_S = 60.0


def put(folder: Path, name: str, source: Path) -> None:
    """Copy a LoRA under another name, with another hash."""
    draft = folder.parent / f"{name}.draft"
    save_file(load_file(source), draft, metadata={"ss_output_name": name})
    shutil.move(draft, folder / f"{name}.safetensors")


async def first_picture_s(bot: OpenBot, folder: Path, name: str, source: Path, size: str) -> float:
    """Add a file; return the seconds until a picture with it is delivered."""
    await asyncio.to_thread(put, folder, name, source)
    started_s = time.perf_counter()
    async with asyncio.timeout(LIMIT_S):
        while True:
            answer = await bot.say("a face", size, name, 1, who="the host")
            if answer.state is JobState.DONE:
                break
            await asyncio.sleep(0.02)
    return round(time.perf_counter() - started_s, 2)


async def measure(model: str, source: Path, size: str, data_dir: Path) -> dict[str, float]:
    """Measure both cases."""
    folder = data_dir / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    async with open_bot(make_settings(model, data_dir, "bf16")) as bot:
        await bot.say("a face", size, "none", 1)

        async def keep_drawing() -> None:
            while True:
                await bot.say("a face", size, "none", 2)

        idle_s = await first_picture_s(bot, folder, "new-when-idle", source, size)
        drawing = [asyncio.create_task(keep_drawing(), name=f"member {number}") for number in range(2)]
        busy_s = await first_picture_s(bot, folder, "new-when-busy", source, size)
        for task in drawing:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*drawing)
    return {"idle_s": idle_s, "busy_s": busy_s}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Measure according to the command line and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.card.new_lora")
    parser.add_argument("--folder", default=BUILT_IN, help="a checkpoint; left out: the built-in model")
    parser.add_argument("--lora", type=Path, default=LORAS / "anime.safetensors", help="a file that fits it")
    parser.add_argument("--size", default="128x192")
    options = parser.parse_args(arguments)
    structlog.configure(processors=[remember([])])
    with tempfile.TemporaryDirectory(prefix="sugarbot-new-lora-") as folder:
        figures = asyncio.run(measure(options.folder, options.lora, options.size, Path(folder)))
    print(json.dumps(figures), flush=True)
    return figures


if __name__ == "__main__":
    main()
