"""Faults at the start: each ends the command with one sentence that says what to repair."""

import asyncio
import json
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest

from bot.app import DATABASE
from engine.checkpoint.model import built_in_lora_folder, find_model
from engine.config import EngineConfig
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.integration.app.conftest import environment, run_to_end, sugarbot, with_platforms

SAY = ("say", "/quota")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A used data folder with a model and a database."""
    folder = tmp_path_factory.mktemp("used")
    code, output = asyncio.run(run_to_end(*SAY, environ=environment(folder)))
    assert code == 0, output
    return folder


@pytest.fixture
def folder(used: Path, tmp_path: Path) -> Path:
    return shutil.copytree(used, tmp_path / "var")


async def refused(*words: str, environ: dict[str, str]) -> str:
    """Run a command that must fail with one line."""
    code, output = await run_to_end(*words, environ=environ)
    assert code == 1, output
    assert "Traceback" not in output
    return output.strip()


@pytest.mark.slow
async def test_a_second_process_on_the_same_folder_is_refused(folder: Path) -> None:
    environ = environment(folder, SUGARBOT_WEB__PORT="0")
    async with sugarbot("run", environ=environ) as first:
        assert first.stdout is not None
        async for line in first.stdout:
            if b"127.0.0.1" in line:
                break
        output = await refused(*SAY, environ=environ)
    assert "Another Sugarbot is using" in output


async def test_a_newer_database_is_refused_and_stays_unchanged(folder: Path) -> None:
    with sqlite3.connect(folder / DATABASE) as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()
    before = (folder / DATABASE).read_bytes()
    assert "newer Sugarbot" in await refused(*SAY, environ=environment(folder))
    assert (folder / DATABASE).read_bytes() == before


async def test_a_missing_model_folder_is_named(folder: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    output = await refused(*SAY, environ=environment(folder, SUGARBOT_ENGINE__MODEL=missing))
    assert missing in output


async def test_an_incomplete_model_folder_is_refused_with_what_is_missing(
    folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    (model / "transformer").mkdir(parents=True)
    output = await refused(*SAY, environ=environment(folder, SUGARBOT_ENGINE__MODEL=str(model)))
    assert "model_index.json" in output


async def test_a_taken_port_is_reported(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output = await refused("run", environ=environment(folder, SUGARBOT_WEB__PORT=str(port)))
    assert f"127.0.0.1:{port} is in use" in output


async def test_a_refused_discord_token_is_reported_but_not_printed(
    folder: Path, discord: FakeDiscord, telegram: TelegramServer
) -> None:
    environ = environment(folder, **with_platforms(discord, telegram)) | {"DISCORD_TOKEN": "not-the-token"}
    output = await refused("run", environ=environ)
    assert "Discord refused the token" in output
    assert "not-the-token" not in output


async def test_a_refused_telegram_token_is_reported_but_not_printed(
    folder: Path, discord: FakeDiscord, telegram: TelegramServer
) -> None:
    wrong = "700:AAwrong-wrong-wrong-wrong-wrong-wrong"
    environ = environment(folder, **with_platforms(discord, telegram)) | {"TELEGRAM_TOKEN": wrong}
    output = await refused("run", environ=environ)
    assert "Telegram refused the token" in output
    assert wrong not in output


@pytest.mark.slow
async def test_the_hosts_of_the_settings_have_the_hosts_commands_in_their_telegram_menu(
    folder: Path, discord: FakeDiscord, telegram: TelegramServer
) -> None:
    world = telegram.world
    world.say("/start")
    environ = environment(folder, **with_platforms(discord, telegram))
    async with sugarbot("run", environ=environ | {"SUGARBOT_HOSTS": "discord:7,telegram:11"}):
        await telegram.until(lambda: (11, "zh") in world.menus, 60)
    of_groups = {(-1, ""), (-1, "zh")}
    assert set(world.menus) == {(0, ""), (0, "zh"), (11, ""), (11, "zh")} | of_groups
    assert "lora_switch" in [command["command"] for command in world.menus[11, ""]]


async def test_all_bad_settings_are_reported_at_once(folder: Path) -> None:
    environ = environment(folder, SUGARBOT_WEB__PORT="99999", SUGARBOT_HOSTS="somebody")
    output = await refused(*SAY, environ=environ)
    assert "web.port" in output
    assert "hosts" in output


async def test_damaged_and_foreign_lora_files_are_listed_with_reasons_and_not_offered(folder: Path) -> None:
    own = folder / "loras"
    own.mkdir()
    model = find_model(EngineConfig(data_dir=folder, lora_dir=own))
    sound = (built_in_lora_folder(model) / "sugar.safetensors").read_bytes()
    (own / "cut.safetensors").write_bytes(sound[: len(sound) // 2])
    (own / "renamed.safetensors").write_bytes(b"PK\x03\x04" + b"archive/data.pkl" + bytes(64))
    (own / "foreign.safetensors").write_bytes(foreign_lora())
    code, output = await run_to_end("lora", environ=environment(folder))
    assert code == 1
    assert "sugar" in output
    for name in ("cut", "renamed", "foreign"):
        assert f"✗ {name}:" in output
    code, output = await run_to_end("say", "/lora list", environ=environment(folder))
    assert code == 0
    listed = [line for line in output.splitlines() if "lora rejected" not in line and "readable" not in line]
    assert any("sugar" in line for line in listed)
    assert not any(name in line for line in listed for name in ("cut", "renamed", "foreign"))


def foreign_lora() -> bytes:
    """A valid safetensors file for a model with other shapes."""
    shapes = {"down": (4, 4096), "up": (4096, 4)}
    header, data = {}, b""
    for part, (rows, columns) in shapes.items():
        name = f"transformer.layers.0.attention.to_q.lora_{'A' if part == 'down' else 'B'}.weight"
        end = len(data) + rows * columns * 2
        header[name] = {"dtype": "F16", "shape": [rows, columns], "data_offsets": [len(data), end]}
        data += b"\x00\x3c" * (rows * columns)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data
