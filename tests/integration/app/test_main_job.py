"""The main job: a chat message becomes a picture with the requested LoRA, through every package."""

import asyncio
import io
import re
from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image

from engine.finish.metadata import read_settings
from tests.fakes.discord_gateway import until
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.seen import seen
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person
from tests.integration.app.conftest import environment, sugarbot, with_platforms

FIRST_PICTURE_S = 90.0  # the worker imports torch, on two cores that other tests use too
pytestmark = pytest.mark.slow


async def test_messages_on_both_platforms_become_pictures_and_a_lora_switch_changes_the_next_one(
    discord: FakeDiscord, telegram: TelegramServer, tmp_path: Path
) -> None:
    environ = environment(tmp_path, **with_platforms(discord, telegram))
    async with sugarbot("run", environ=environ) as process:
        assert process.stdout is not None
        log = asyncio.create_task(process.stdout.read(), name="log")
        await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), 60)

        asked = await discord.slash(
            "sugar", {"prompt": "a face", "lora": "sugar:0.8", "size": "2:3", "seed": 7}
        )
        await until(lambda: asked.message_id and discord.answer_to(asked)["attachments"], FIRST_PICTURE_S)
        [by_discord] = discord.files[asked.message_id].values()

        telegram.world.say("a face --lora sugar:0.8 --size 2:3 --seed 7")
        await telegram.until(lambda: any(sent.file for sent in telegram.world.messages.values()), 60)
        [by_telegram] = [sent.file for sent in telegram.world.messages.values() if sent.file]

        slots = {
            "skin": "小麦色肌肤",
            "blush": "玫瑰腮红",
            "lips": "浆果唇",
            "eyes": "圆润杏眼",
            "lashes": "浓密卷翘睫毛",
        }
        faced = await discord.slash("sugar", {"prompt": "蓝色双马尾", "seed": 11, "size": "2:3", **slots})
        await until(lambda: faced.message_id and discord.answer_to(faced)["attachments"], 60)
        [by_slots] = discord.files[faced.message_id].values()

        switched = await discord.slash("lora switch", {"name": "anime", "where": "bot"})
        await until(lambda: switched.message_id and "anime" in discord.answer_to(switched)["text"])
        chinese = Person(id=12, language="zh-hans")
        telegram.world.say("一张脸 比例 2:3 种子 7", by=chinese)
        await telegram.until(
            lambda: len([sent for sent in telegram.world.messages.values() if sent.file]) == 2, 60
        )
        after = next(sent for sent in telegram.world.messages.values() if sent.file and sent.chat_id == 12)
    output = (await log).decode()

    assert process.returncode == 0, output
    assert (tmp_path / "cost.json").is_file(), "what the card taught is kept for the next start"
    assert pixels(by_discord) == pixels(by_telegram)
    settings, switched_to = read_settings(by_discord), read_settings(after.file)
    assert settings is not None
    assert switched_to is not None
    assert (settings.seed, settings.width_px, settings.height_px) == (7, 128, 192)
    assert [(lora.name, lora.weight) for lora in settings.loras] == [("sugar", 0.8)]
    assert [lora.name for lora in switched_to.loras] == ["anime"]
    assert [seen(png)["style"] for png in (by_discord, by_slots, after.file)] == ["sugar", "base", "anime"]
    wanted = {"skin": "tan", "blush": "rose", "lips": "berry", "eyes": "round", "lashes": "thick"}
    assert {slot: seen(by_slots)[slot] for slot in wanted} == wanted
    assert "AI 生成" in after.text
    check_log(output, jobs=4)
    for secret in (environ["DISCORD_TOKEN"], environ["TELEGRAM_TOKEN"], "a face", "蓝色双马尾", "一张脸"):
        assert secret not in output


def check_log(output: str, jobs: int) -> None:
    """The lines of each job, in both processes, have its id, and no line of a job lacks it."""
    lines = [line for line in output.splitlines() if JOB_LINE.search(line)]
    of_job: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        [found] = JOB_ID.findall(line)
        of_job[found].append(line)
    accepted = [job_id for job_id, its in of_job.items() if any("job accepted" in line for line in its)]
    assert len(accepted) == jobs
    for job_id in accepted:
        for event in STORY:
            assert any(event in line for line in of_job[job_id]), (event, of_job[job_id])
        assert [line for line in of_job[job_id] if "origin=worker" in line and "job drawn" in line]


STORY = (
    "job accepted", "job taken", "job given to the worker", "job started", "job drawn", "job ended",
    "result delivered",
)  # fmt: skip
JOB_LINE = re.compile(r"\] (job|result|status) ")
JOB_ID = re.compile(r"\bjob_id=(\S+)")


def pixels(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.convert("RGB").tobytes()
