"""Commands print only the host's language, in both languages."""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.main import get_command

from bot import __main__ as command_line
from bot.messages import format_error, text
from bot.messages.details import KNOWN_LINES, translate_detail
from engine import errors
from tests.languages import foreign
from tests.unit.engine.folders import write_model

pytestmark = pytest.mark.usefixtures("own_threads")

LOCALES = ("en", "zh-CN")


def commands() -> list[list[str]]:
    """The words of each command and group."""
    root = get_command(command_line.app)
    found: list[list[str]] = [[]]
    for name, command in root.commands.items():
        within = getattr(command, "commands", {})
        found += [[name], *([name, each] for each in within)]
    return found


BAD_SETTINGS = """
language = "{language}"
hosts = ["me"]
allow = 7
data_dir = 3
nonsense = 1
web = 5
[engine]
model = "owner/name"
device = "gpu"
revison = "x"
reserve_mib = -1
step_timeout_s = 0
[quota]
daily_credits = -1
max_waiting = 0
[quota.tiers.x]
people = ["ann"]
weight = 0
[discord]
proxy = "socks5://x"
gateway = "http://x"
[telegram]
token = "two words"
proxy = "x"
base_url = ""
"""
LINES = {
    "no command": [],
    "unknown command": ["dcotor"],
    "unknown option": ["say", "x", "--hots"],
    "missing argument": ["say"],
    "missing value": ["run", "--config"],
    "too much": ["say", "a", "b"],
    "wrong value": ["bench", "--rounds", "x"],
    "out of range": ["bench", "--rounds", "0"],
    "unknown row": ["bench", "--only", "E1,E99"],
    "too few sizes": ["bench", "--sizes", "512x768"],
    "unknown in group": ["db", "chekc"],
    "no such file": ["doctor", "--config", "nowhere.toml"],
    "a folder": ["doctor", "--config", "."],
    "not TOML": ["doctor", "--config", "broken.toml"],
    "bad settings": ["doctor", "--config", "bad.toml"],
    "out is a file": ["say", "/help", "--out", "file"],
    "into is a file": ["bench", "--into", "file"],
    "article into a file": ["bench", "--article", "--into", "file"],
    "backup of nothing": ["db", "backup"],
    "restore of nothing": ["db", "restore", "nowhere.db"],
    "a fresh set-up": ["doctor"],
    "a faulty set-up": ["doctor", "--config", "faulty.toml"],
    "an unstartable set-up": ["run", "--config", "faulty.toml"],
    "no chats": ["run", "--config", "off.toml"],
    "an incomplete model": ["lora", "--config", "incomplete.toml"],
    "a model elsewhere": ["setup", "--config", "missing.toml"],
    "a model not fetched": ["doctor", "--config", "hub.toml"],
    "the shelf": ["lora"],
    "a damaged file": ["lora", "check", "loras/cut.safetensors"],
    "add a damaged file": ["lora", "add", "loras/zip.safetensors"],
    "remove nothing": ["lora", "remove", "nothing"],
    "a faulty upgrade": ["upgrade", "--check", "--config", "faulty.toml"],
    "setup without questions": ["setup", "--yes", "--weights", "built-in"],
    "a claim": ["setup", "--claim"],
    "no such token file": ["setup", "--yes", "--discord-token-file", "nowhere"],
    "setup": ["setup"],
    "an upgrade": ["upgrade"],
    "before an upgrade": ["upgrade", "--check"],
    "before an upgrade with bad settings": ["upgrade", "--check", "--config", "bad.toml"],
    "before an upgrade of an incomplete model": ["upgrade", "--check", "--config", "incomplete.toml"],
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Create a working folder with good and bad files; restore the log of this process afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "broken.toml").write_text("[web")
    model = write_model(tmp_path / "model")
    (model / "model_index.json").unlink()
    (tmp_path / "incomplete.toml").write_text('engine.model = "model"')
    (tmp_path / "missing.toml").write_text('engine.model = "./nowhere"')
    commit = "0123456789abcdef0123456789abcdef01234567"
    (tmp_path / "hub.toml").write_text(f'engine.model = "owner/name"\nengine.revision = "{commit}"')
    (tmp_path / "off.toml").write_text("web.enabled = false")
    loras = tmp_path / "loras"
    loras.mkdir()
    for name, content in {
        "cut": b"\xff\x00\x00\x00\x00\x00\x00\x00{", "zip": b"PK\x03\x04" + bytes(64), "a:b": b"",
        "json": b"\x02\x00\x00\x00\x00\x00\x00\x00{]", "empty": b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
        "none": b"x" * 64,
    }.items():  # fmt: skip
        (loras / f"{name}.safetensors").write_bytes(content)
    (loras / "loras.toml").write_text("[x")
    (tmp_path / "faulty.toml").write_text(
        'data_dir = "file"\n[engine]\nlora_dir = "loras"\ndefault_lora = "sugr"\ndevice = "cuda:9"\n'
        '[telegram]\nproxy = ""\n'
    )
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield tmp_path
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def run_command(
    words: list[str], locale: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> str:
    """Run a command in a locale; return its output without the log."""
    monkeypatch.setattr(sys, "argv", ["sugarbot", *words])
    monkeypatch.setenv("SUGARBOT_LANG", {"en": "en", "zh-CN": "zh_CN.UTF-8"}[locale])
    Path("bad.toml").write_text(BAD_SETTINGS.format(language=locale))
    with pytest.raises(SystemExit):
        command_line.main()
    printed = capfd.readouterr()
    lines = (printed.out + printed.err).splitlines()
    return "\n".join(line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT", line))


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_is_in_the_host_s_language(
    words: list[str], locale: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = run_command([*words, "--help"], locale, monkeypatch, capfd)
    assert printed
    assert not foreign(printed, locale)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("what", LINES)
def test_what_a_command_prints_is_in_the_host_s_language(
    what: str, locale: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = run_command(LINES[what], locale, monkeypatch, capfd)
    assert printed.strip()
    assert "Traceback" not in printed
    assert not foreign(printed, locale), printed
    assert all(line.isprintable() for line in printed.splitlines())


def test_the_settings_language_wins_over_the_system_s(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("sugarbot.toml").write_text('language = "zh-CN"')
    assert "用法" in run_command(["--help"], "en", monkeypatch, capfd)
    assert "数据文件夹" in run_command(["doctor"], "en", monkeypatch, capfd)
    monkeypatch.setenv("SUGARBOT_LANGUAGE", "en")
    assert "Usage" in run_command(["--help"], "zh-CN", monkeypatch, capfd)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_engine_error_is_in_one_language(locale: str) -> None:
    kinds = [errors.EngineError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in {kind for kind in kinds if kind.__module__ == "engine.errors"}:
        facts = {"name": "x", "folder": "/x", "needed_bytes": 1, "free_bytes": 1}
        assert not foreign(format_error(kind(**facts), locale), locale)


@pytest.mark.parametrize("line", KNOWN_LINES)
def test_a_detail_is_translated_with_its_facts(line: str) -> None:
    filled = re.sub(r"\{\w+\}", "/a-1.x", line)
    assert translate_detail(filled, "en") == filled
    assert not foreign(translate_detail(filled, "zh-CN"), "zh-CN")
    assert translate_detail(filled, "zh-CN").count("/a-1.x") == line.count("{")
    assert text(line, "zh-CN") != line


def test_a_detail_within_a_detail_is_translated_too() -> None:
    output = translate_detail("The worker process could not be started: Permission denied.", "zh-CN")
    assert output == "绘图进程无法启动：没有权限。"
    assert translate_detail("a line that nobody knows", "zh-CN") == "a line that nobody knows"
