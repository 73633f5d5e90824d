"""`sugarbot setup` from an empty folder to the first picture in a chat, without a person at the terminal.

``python -m pytest tests/integration/app/test_setup.py -s -k first_picture`` prints how long that takes.
"""

import asyncio
import re
import shutil
import stat
import time
import tomllib
from pathlib import Path

import pytest

from engine.checkpoint.model import BUILT_IN_WEIGHTS
from tests.fakes import discord_server, telegram_server
from tests.fakes.discord_gateway import until
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person
from tests.integration.app.conftest import environment, run_to_end, sugarbot

pytestmark = pytest.mark.slow
FIRST_PICTURE_S = 120.0
OWNER, STRANGER = Person(id=41, language="zh-hans"), Person(id=42)
CODE = re.compile(r"/claim ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})")


def new_folder(tmp_path: Path) -> Path:
    """A folder as after a clone: nothing but a small checkpoint beside it."""
    shutil.copytree(BUILT_IN_WEIGHTS, tmp_path / "checkpoint")
    folder = tmp_path / "bot"
    folder.mkdir()
    return folder


def environ_of(folder: Path, discord: FakeDiscord, telegram: TelegramServer) -> dict[str, str]:
    """Where the fake platforms are; no token, no data folder, no model."""
    return environment(
        folder,
        SUGARBOT_DISCORD__API_BASE=discord.api_base,
        SUGARBOT_DISCORD__GATEWAY=discord.gateway.url,
        SUGARBOT_TELEGRAM__BASE_URL=telegram.base_url,
        SUGARBOT_WEB__ENABLED="false",
    )


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}


async def test_an_empty_folder_becomes_a_bot_that_its_owner_claims_and_that_draws_the_first_picture(
    discord: FakeDiscord, telegram: TelegramServer, tmp_path: Path
) -> None:
    folder = new_folder(tmp_path)
    environ = environ_of(folder, discord, telegram)
    tokens = {"DISCORD_TOKEN": discord_server.TOKEN, "TELEGRAM_TOKEN": telegram_server.TOKEN}
    words = ["setup", "--yes", "--language", "zh-CN", "--weights", str(tmp_path / "checkpoint")]
    began_s = time.monotonic()
    code, output = await run_to_end(*words, environ=environ | tokens)
    assert code == 0, output
    set_up_s = time.monotonic() - began_s
    assert "@sugar_test_bot" in output
    assert "https://t.me/sugar_test_bot" in output
    assert "https://discord.com/oauth2/authorize?client_id=" in output
    assert "sugarbot run" in output
    claim = CODE.search(output)
    assert claim is not None

    written = tomllib.loads((folder / "sugarbot.toml").read_text())
    assert written["language"] == "zh-CN"
    assert written["engine"]["model"] == str(tmp_path / "checkpoint")
    assert "# 机器人的管理员" in (folder / "sugarbot.toml").read_text()
    assert modes(folder) == {"sugarbot.toml": 0o600, "tokens.env": 0o600, "claim.json": 0o600}

    async with sugarbot("run", environ=environ) as process:  # the tokens come from the file
        assert process.stdout is not None
        log = asyncio.create_task(process.stdout.read(), name="log")
        await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), 60)
        world = telegram.world
        world.say("/start", by=STRANGER)
        await telegram.until(lambda: world.in_chat(STRANGER.id), 30)
        world.say(f"/claim {claim[1]}", by=OWNER)
        await telegram.until(lambda: world.in_chat(OWNER.id), 30)
        world.say("一张脸 --seed 7", by=OWNER)
        await telegram.until(lambda: any(sent.file for sent in world.in_chat(OWNER.id)), FIRST_PICTURE_S)
        whole_s = time.monotonic() - began_s
        world.say(f"/claim {claim[1]}", by=STRANGER)
        await telegram.until(lambda: len(world.in_chat(STRANGER.id)) == 2, 30)
        refused = await discord.slash("claim", {"code": claim[1]})
        await until(lambda: refused.message_id and discord.answer_to(refused)["text"], 30)
    print(f"setup {set_up_s:.1f} s, to the first picture {whole_s:.1f} s")
    log_text = (await log).decode()
    assert "setup --claim" in world.texts(STRANGER.id)[0]
    assert "管理员" in world.texts(OWNER.id)[0]
    assert "not valid" in world.texts(STRANGER.id)[1]
    for token in tokens.values():
        assert token not in output + log_text
        named = [
            path.name for path in folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()
        ]
        assert named == ["tokens.env"]
    plain = claim[1].replace("-", "")
    assert claim[1] not in log_text
    assert plain not in log_text


async def test_without_a_host_run_shows_a_code_once_and_a_group_voids_it(
    discord: FakeDiscord, telegram: TelegramServer, tmp_path: Path
) -> None:
    environ = environ_of(tmp_path, discord, telegram) | {"TELEGRAM_TOKEN": telegram_server.TOKEN}
    group = Group()
    async with sugarbot("run", environ=environ) as process:
        assert process.stdout is not None
        claim = None
        async for line in process.stdout:
            if claim := CODE.search(line.decode()):
                break
        assert claim is not None
        log = asyncio.create_task(process.stdout.read(), name="log")
        await telegram.until(lambda: telegram.named("getUpdates"), 60)
        world = telegram.world
        world.say(f"/claim@sugar_test_bot {claim[1]}", by=OWNER, group=group)
        await telegram.until(lambda: world.in_chat(group.id), 30)
        assert "作废" in world.texts(group.id)[0]
        world.say(f"/claim {claim[1]}", by=OWNER)
        await telegram.until(lambda: world.in_chat(OWNER.id), 30)
        assert "无效" in world.texts(OWNER.id)[0]
        code, output = await run_to_end("setup", "--claim", environ=environ)
        assert code == 0, output
        new = CODE.search(output)
        assert new is not None
        doctor_code, doctor = await run_to_end("doctor", "--offline", environ=environ)
        assert CODE.search(doctor) is None  # the code of `setup --claim` stays valid
        assert "/claim" in doctor
        world.say(f"/claim {new[1]}", by=OWNER)  # while the bot runs
        await telegram.until(lambda: len(world.in_chat(OWNER.id)) == 2, 30)
        assert "管理员" in world.texts(OWNER.id)[1]
        doctor_code, doctor = await run_to_end("doctor", "--offline", environ=environ)
        assert "/claim" not in doctor
        assert doctor_code == 0, doctor
    await log
