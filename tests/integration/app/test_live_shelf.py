"""The LoRA folder changes while a whole bot draws: no job fails, and each is drawn with its own file."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.outcomes import JobState
from engine.demo.networks import LORAS
from engine.finish.metadata import read_settings
from tests.card.caps import OpenBot, make_settings, open_bot
from tests.card.new_lora import put
from tests.integration.engine.host.hosting import eventually

SIZE = "128x192"
pytestmark = pytest.mark.slow


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[OpenBot]:
    (tmp_path / "loras").mkdir()
    async with open_bot(make_settings("built-in", tmp_path, "bf16")) as bot:
        yield bot


def offered(bot: OpenBot, name: str) -> str:
    """The hash of the file that people may choose; empty for none."""
    file = bot.application.desk.parts.shelf.find(name)
    return file.sha256 if file else ""


def drawn_with(paths: tuple[Path, ...]) -> str:
    """The hash of the only LoRA of a picture, by the settings inside it."""
    [path] = paths
    [lora] = read_settings(path.read_bytes()).loras
    return lora.sha256


async def all_accepted(bot: OpenBot, count: int) -> None:
    """Wait until so many jobs are accepted."""
    for _ in range(1_200):
        [row] = await bot.application.store._run("SELECT count(*) AS count FROM job")
        if row["count"] >= count:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


async def test_jobs_that_wait_keep_their_file_when_it_is_replaced_and_removed(
    bot: OpenBot, tmp_path: Path
) -> None:
    folder = tmp_path / "loras"
    await asyncio.to_thread(put, folder, "mine", LORAS / "anime.safetensors")
    await eventually(lambda: offered(bot, "mine"), 60)
    old = offered(bot, "mine")
    jobs = [
        asyncio.create_task(bot.say(f"a face {seed}", SIZE, "mine", seed), name=f"job {seed}")
        for seed in range(8)
    ]
    kept = tmp_path / "lora-versions" / f"{old}.safetensors"
    await eventually(kept.is_file, 60)
    await all_accepted(bot, len(jobs))  # one that is accepted during the change may lose its file
    # Rewritten in place, as ``cp`` does, so that a link to the file would change, too.
    (folder / "mine.safetensors").write_bytes((LORAS / "realistic.safetensors").read_bytes())
    (folder / "broken.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}")
    await eventually(lambda: offered(bot, "mine") not in ("", old), 60)
    new = offered(bot, "mine")
    later = asyncio.create_task(bot.say("a face", SIZE, "mine", 9), name="job 9")
    kept_new = tmp_path / "lora-versions" / f"{new}.safetensors"
    await eventually(lambda: kept_new.is_file() or later.done(), 60)
    (folder / "mine.safetensors").unlink()
    answers = await asyncio.gather(*jobs)
    assert [answer.state for answer in answers] == [JobState.DONE] * len(jobs)
    assert {drawn_with(answer.paths) for answer in answers} == {old}
    answer = await later
    assert (answer.state, drawn_with(answer.paths)) == (JobState.DONE, new)
    await eventually(lambda: not offered(bot, "mine"), 60)
    refused = await bot.say("a face", SIZE, "mine", 10)
    assert refused.state is None
    assert refused.refusal
    await eventually(lambda: not kept.exists(), 60)  # no job needs it, and it is not on the shelf
