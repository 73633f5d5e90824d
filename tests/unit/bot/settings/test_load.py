"""Reading settings: which file is taken, what the environment overrides, and why a file can't be used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import BadSettings
from bot.settings import load_settings
from tests.unit.bot.settings.reading import messages_of, write


def test_the_file_is_the_given_one_else_the_named_one_else_the_one_here(tmp_path: Path) -> None:
    named = write(tmp_path, "web.port = 1001", "named.toml")
    given = write(tmp_path, "web.port = 1002", "given.toml")
    environ = {"SUGARBOT_CONFIG": str(named)}
    assert load_settings(environ={}).web.port == 7860
    write(tmp_path, "web.port = 1000")
    assert load_settings(environ={}).web.port == 1000
    assert load_settings(environ=environ).web.port == 1001
    assert load_settings(given, environ).web.port == 1002


@pytest.mark.parametrize("variable", ["SUGARBOT_CONFIG", "TELEGRAM_TOKEN_FILE"])
def test_a_file_of_an_unknown_user_is_reported(variable: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings(environ={variable: "~nobody-here/file"})
    [problem] = messages_of(caught.value)
    assert "~nobody-here/file" in problem


def test_the_process_s_own_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUGARBOT_WEB__PORT", "1003")
    assert load_settings().web.port == 1003


def test_the_environment_wins_over_the_file() -> None:
    path = write(Path(), 'hosts = ["discord:1"]\n[web]\nport = 1000\nenabled = false')
    settings = load_settings(path, {"SUGARBOT_WEB__PORT": "1004", "SUGARBOT_HOSTS": "telegram:2, discord:3"})
    assert (settings.web.port, settings.web.enabled) == (1004, False)
    assert settings.hosts == ("telegram:2", "discord:3")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["can't be read", "no such file or folder"]),
        ("folder", ["can't be read", "it is a folder"]),
        (b"language = en", ["not valid TOML", "line 1"]),
        (b"[web]\nport = 1\n[web]\nport = 2", ["twice", "line 3"]),
        (b"language = 'en'\nlanguage = 'en'", ["twice", "line 2"]),
        (b'language = "\xff"', ["not UTF-8"]),
        (b'language = "en', ["not valid TOML"]),
        (b"[web]\nport = 1\n[engine\nmodel = 'x'", ["not valid TOML", "line 3", "bracket"]),
        (b"allow = ['discord:*'\n", ["not valid TOML", "bracket"]),
        (b"allow = " + b"[" * 100_000, ["not valid TOML", "line 1", "bracket"]),
        ("pipe", ["no regular file"]),
    ],
)
def test_an_unusable_file_is_reported_with_the_reason(
    content: bytes | str | None, words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "pipe":
        os.mkfifo(path)
    elif content:
        path.mkdir()
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    [problem] = messages_of(caught.value)
    for word in (str(path), *words):
        assert word in problem.replace("No such file or directory", "no such file or folder").replace(
            "Is a directory", "it is a folder"
        )


def test_a_byte_order_mark_is_accepted() -> None:
    Path("bom.toml").write_bytes(b"\xef\xbb\xbfweb.port = 1001")
    assert load_settings(Path("bom.toml"), {}).web.port == 1001


def test_reading_settings_loads_nothing_heavy() -> None:
    root = Path(__file__).resolve().parents[4]
    code = "import sys, bot.settings; print({'torch', 'discord', 'telegram', 'starlette'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.strip() == "set()"
