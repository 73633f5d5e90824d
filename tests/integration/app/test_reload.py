"""A running bot takes changed settings over: from the file by itself, and at SIGHUP."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.integration.app.conftest import environment, line_with, sugarbot


async def until_it_watches(process: asyncio.subprocess.Process) -> None:
    """Return when the bot knows the settings file, whose changes count from then on."""
    await line_with(process, "127.0.0.1")
    os.kill(process.pid, signal.SIGHUP)
    await line_with(process, "settings read again")


@pytest.mark.slow
async def test_settings_are_read_again_and_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    file = tmp_path / "sugarbot.toml"
    file.write_text('web.port = 0\nhosts = ["discord:1"]')
    async with sugarbot("run", environ=environment(tmp_path, SUGARBOT_ENGINE__DEVICE="cpu")) as process:
        await until_it_watches(process)
        file.write_text('web.port = 7\nhosts = ["discord:2"]')
        assert "hosts" in await line_with(process, "settings read again")
        assert "web.port" in await line_with(process, "need a restart")
        assert json.loads((tmp_path / "restart-needed.json").read_text()) == ["web.port"]
        file.write_text("[")
        assert "sugarbot.toml" in await line_with(process, "settings not read again")
        os.kill(process.pid, signal.SIGHUP)
        await line_with(process, "settings not read again")
        file.write_text('web.port = 0\nhosts = ["discord:2"]')
        await line_with(process, "settings read again")
    assert not (tmp_path / "restart-needed.json").exists()


@pytest.mark.slow
async def test_the_language_and_the_operator_s_password_count_at_once_also_from_a_file_of_their_own(
    tmp_path: Path,
) -> None:
    file, password = tmp_path / "sugarbot.toml", tmp_path / "password"
    file.write_text("web.port = 0")
    password.write_text("a gate of jade")
    given = {"SUGARBOT_WEB__OPERATOR_PASSWORD_FILE": str(password), "SUGARBOT_ENGINE__DEVICE": "cpu"}
    async with sugarbot("run", environ=environment(tmp_path, **given)) as process:
        await until_it_watches(process)
        password.write_text("a gate of iron")
        line = await line_with(process, "settings read again")
        assert "web.operator_password" in line
        assert "iron" not in line
        password.write_text("")
        assert str(password) in await line_with(process, "settings not read again")
        password.write_text("a gate of iron")
        file.write_text('web.port = 0\nlanguage = "zh-CN"')
        assert "language" in await line_with(process, "settings read again")
        file.write_text("[")
        assert "第" in await line_with(process, "settings not read again")
    assert not (tmp_path / "restart-needed.json").exists()
