"""The checks of run and doctor: each finding has a sentence in both languages."""

import errno
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest
import structlog

from bot.checks import checks
from bot.checks.finding import Finding, Level
from bot.errors import NotStartable
from bot.messages import LOCALES, format_error
from bot.messages.checks import format_finding, part_title
from bot.messages.problems import FINDINGS
from bot.settings import Settings, load_settings
from engine.errors import LoraPickled
from engine.planner.headroom import Headroom
from engine.shelf import LoraFile, Rejected, Shelf

GIB = 2**30
SUGAR = LoraFile("sugar", Path("/l/sugar.safetensors"), "00", 1, 32)
CARD = Headroom(20 * GIB, 24 * GIB, 3 * GIB, "NVIDIA A10", "NVML", GIB)
TOKENS = {"DISCORD_TOKEN": "a-token", "TELEGRAM_TOKEN": "1:b"}


def settings(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    path = tmp_path / "sugarbot.toml"
    path.write_text(text)
    return load_settings(path, {"SUGARBOT_DATA_DIR": str(tmp_path)} | environ)


def processor(reason: str) -> Headroom:
    return Headroom(4 * GIB, 8 * GIB, 4 * GIB, "CPU", f"main memory, because {reason}")


def levels(findings: list[Finding]) -> dict[str, Level]:
    return {finding.code: finding.level for finding in findings}


def found(tmp_path: Path, text: str = "", **environ: str) -> dict[str, Level]:
    return levels(checks.check_settings(settings(tmp_path, text, **environ), environ))


def test_a_sound_set_up_has_no_faults(tmp_path: Path) -> None:
    text = 'hosts = ["discord:1"]\nallow = ["telegram:*"]'
    assert found(tmp_path, text, **TOKENS) == {"data": Level.FINE, "token_set": Level.FINE}


def test_a_fresh_set_up_lists_what_is_off(tmp_path: Path) -> None:
    assert found(tmp_path) == {"data": Level.FINE, "chat_off": Level.NOTE, "no_hosts": Level.NOTE}


@pytest.mark.parametrize(
    ("text", "environ", "code", "level"),
    [
        ("", {"DISCORD_TOKEN": "x"}, "serves_nobody", Level.NOTE),
        ('allow = ["telegram:*"]', {"DISCORD_TOKEN": "x"}, "serves_nobody", Level.NOTE),
        ("web.enabled = false", {}, "no_chats", Level.WRONG),
        ("web.enabled = false", {"DISCORD_TOKEN": "x"}, "page_off", Level.NOTE),
        ('engine.lora_dir = "/nowhere"', {}, "lora_dir_missing", Level.WRONG),
        ('engine.lora_dir = "/dev/null"', {}, "lora_dir_unusable", Level.WRONG),
        ('data_dir = "/dev/null"', {"SUGARBOT_DATA_DIR": ""}, "data_unusable", Level.WRONG),
        ('data_dir = "/dev/null/x"', {"SUGARBOT_DATA_DIR": ""}, "data_unusable", Level.WRONG),
    ],
)
def test_each_fault_is_found(
    text: str, environ: dict[str, str], code: str, level: Level, tmp_path: Path
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    given = {"SUGARBOT_DATA_DIR": str(tmp_path)} | environ
    given = {name: value for name, value in given.items() if value}
    assert levels(checks.check_settings(load_settings(path, given), given))[code] is level


@pytest.mark.parametrize(
    ("variable", "nearest"), [("SUGARBOT_WEB_PORT", "SUGARBOT_WEB__PORT"), ("SUGARBOT_XYZZY", "")]
)
def test_a_variable_that_sets_nothing_is_a_warning_without_its_value(
    variable: str, nearest: str, tmp_path: Path
) -> None:
    with structlog.testing.capture_logs() as logs:
        checks.require(checks.check_settings(settings(tmp_path), {variable: "a-secret"}), "en")
    [log] = [log for log in logs if log["part"] == "settings"]
    assert log["log_level"] == "warning"
    assert variable in log["why"]
    assert nearest in log["why"]
    assert "a-secret" not in str(logs)


def test_an_allowed_chat_is_not_reported_as_serving_nobody(tmp_path: Path) -> None:
    assert "serves_nobody" not in found(tmp_path, 'hosts = ["discord:1"]', DISCORD_TOKEN="x")
    assert "no_chats" not in found(tmp_path, "web.enabled = false", DISCORD_TOKEN="x")


def test_a_data_folder_of_other_files_prevents_the_start(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    tmp_path.chmod(0o755)
    levels_found = found(tmp_path)
    assert levels_found["data_foreign"] is Level.WRONG
    assert "data" not in levels_found
    assert not list(checks.check_modes(tmp_path))  # which `doctor --fix` would repair
    with pytest.raises(NotStartable) as caught:
        checks.require(checks.check_settings(settings(tmp_path), {}), "zh-CN")
    assert "新的或空的文件夹" in format_error(caught.value, "zh-CN")
    assert "a new or an empty folder" in format_error(caught.value, "en")


def test_a_missing_data_folder_is_fine_and_is_not_created(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert found(tmp_path, SUGARBOT_DATA_DIR=str(folder))["data"] is Level.FINE
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("free_mib", "code", "level"),
    [
        (255, "disk_full", Level.WRONG),
        (256, "disk_low", Level.NOTE),
        (2047, "disk_low", Level.NOTE),
        (2048, "data", Level.FINE),
    ],
)
def test_a_disk_that_fills_up_is_found(
    free_mib: int, code: str, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, free_mib * 2**20))
    assert found(tmp_path)[code] is level


def test_a_disk_with_a_few_mib_is_not_shown_as_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, 3 * 2**20))
    [finding] = checks.check_settings(settings(tmp_path), {})[:1]
    assert "only 3 MiB free, but pictures need 0.2 GiB" in format_finding(finding.code, finding.facts, "en")
    assert "只剩 3 MiB，而存图需要 0.2 GiB" in format_finding(finding.code, finding.facts, "zh-CN")


def test_a_data_folder_that_is_not_writable_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    [finding] = checks.check_settings(settings(tmp_path), {})[:1]
    assert (finding.code, finding.level) == ("data_unusable", Level.WRONG)
    assert "没有权限" in format_finding(finding.code, finding.facts, "zh-CN")


@pytest.mark.parametrize(("mode", "is_found"), [(0o600, False), (0o640, True), (0o604, True), (0o400, False)])
def test_a_token_file_that_others_can_read_is_found(mode: int, is_found: bool, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 8)
    token.chmod(mode)
    for variable in (
        "DISCORD_TOKEN_FILE",
        "SUGARBOT_DISCORD__TOKEN_FILE",
        "SUGARBOT_WEB__OPERATOR_PASSWORD_FILE",
    ):
        assert ("token_readable" in found(tmp_path, **{variable: str(token)})) is is_found


@pytest.mark.parametrize(("mode", "is_found"), [(0o700, False), (0o750, True), (0o701, True)])
def test_a_data_folder_that_others_can_read_is_found(mode: int, is_found: bool, tmp_path: Path) -> None:
    tmp_path.chmod(mode)
    assert ("data_readable" in levels(list(checks.check_modes(tmp_path)))) is is_found
    assert not list(checks.check_modes(tmp_path / "not there"))


@pytest.mark.parametrize(
    ("device", "headroom", "code", "level"),
    [
        ("auto", CARD, "card", Level.FINE),
        ("auto", processor("no card is visible"), "processor", Level.FINE),
        ("cpu", processor("the device is cpu"), "processor", Level.FINE),
        ("cuda:1", CARD, "card", Level.FINE),
        ("cuda:1", processor("no card is visible"), "device_missing", Level.WRONG),
        (
            "cuda",
            processor("NVML does not answer: NVML Shared Library Not Found"),
            "device_missing",
            Level.WRONG,
        ),
        (
            "cuda",
            processor("NVML does not answer: Driver/library version mismatch"),
            "card_unknown",
            Level.NOTE,
        ),
    ],
)
def test_a_missing_device_is_found(
    device: str, headroom: Headroom, code: str, level: Level, tmp_path: Path
) -> None:
    wanted = settings(tmp_path, SUGARBOT_ENGINE__DEVICE=device)
    assert levels(list(checks.check_device(wanted, headroom))) == {code: level}


def test_packages_for_a_machine_without_a_card_are_found_on_one_with_a_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "has_stand_ins", lambda folder: folder == tmp_path)
    assert levels(list(checks.check_libraries(CARD, tmp_path))) == {"libraries_missing": Level.WRONG}
    assert not list(checks.check_libraries(CARD, tmp_path / "other"))
    assert not list(checks.check_libraries(processor("no card is visible"), tmp_path))


def test_figures_are_in_gib(tmp_path: Path) -> None:
    [card] = checks.check_device(settings(tmp_path), CARD)
    assert format_finding(card.code, card.facts, "en").startswith(
        "NVIDIA A10, 20.0 of 24.0 GiB free, 1.0 GiB"
    )


def test_faults_of_the_shelf_are_found(tmp_path: Path) -> None:
    refused = Rejected("bad\x1b", LoraPickled(name="bad\x1b"))
    plain, named = settings(tmp_path), settings(tmp_path, SUGARBOT_ENGINE__DEFAULT_LORA="sugr")
    assert levels(list(checks.check_shelf(plain, Shelf({"sugar": SUGAR})))) == {"loras": Level.FINE}
    assert levels(list(checks.check_shelf(plain, Shelf({})))) == {"no_loras": Level.NOTE}
    both = levels(list(checks.check_shelf(named, Shelf({"sugar": SUGAR}, (refused,)))))
    assert both == {"loras": Level.FINE, "lora_refused": Level.WRONG, "default_unknown": Level.WRONG}
    for default in ("sugar", "SUGAR", "none"):
        named = settings(tmp_path, SUGARBOT_ENGINE__DEFAULT_LORA=default)
        assert "default_unknown" not in levels(list(checks.check_shelf(named, Shelf({"sugar": SUGAR}))))


def test_faults_refuse_the_start_together_and_notes_are_logged() -> None:
    findings = [
        Finding(Level.WRONG, "shelf", "default_unknown", {"name": "sugr"}),
        Finding(Level.WRONG, "page", "no_chats"),
        Finding(Level.NOTE, "shelf", "no_loras"),
        Finding(Level.FINE, "discord", "token_set"),
    ]
    with structlog.testing.capture_logs() as logs, pytest.raises(NotStartable) as caught:
        checks.require(findings, "en")
    for locale, word in (("en", "All chats are off"), ("zh-CN", "所有聊天都关闭了")):
        lines = format_error(caught.value, locale).splitlines()
        assert len(lines) == 3
        assert "sugr" in lines[1]
        assert word in lines[2]
    assert [(each["log_level"], each["part"]) for each in logs] == [("warning", "shelf")]


def test_a_fault_that_can_be_repaired_at_run_time_is_logged_and_does_not_refuse_the_start() -> None:
    facts = {"path": "/d", "free": "0.1 GiB", "needed": "0.2 GiB"}
    error = LoraPickled(name="bad")
    with structlog.testing.capture_logs() as logs:
        checks.require(
            [
                Finding(Level.WRONG, "data", "disk_full", facts),
                Finding(Level.WRONG, "shelf", "lora_refused", {"name": "bad", "error": error}),
            ],
            "zh-CN",
        )
    assert [each["log_level"] for each in logs] == ["error", "error"]
    assert "只剩 0.1 GiB" in logs[0]["why"]
    assert logs[1]["why"].startswith("bad: ")


FACTS = {
    "count": 3,
    "settings": ("web.port",),
    "path": "/d", "free": "1", "total": "2", "needed": "3", "reserve": "4", "detail": "x", "schema": 7,
    "name": "n", "device": "cuda:1", "size": "1 × 1", "loras": ("a", "b"), "variable": "V", "example": "e",
    "url": "http://x/", "problem": "p", "about": "a", "hours": 1, "days": 2, "picture_s": 0.5, "start_s": 3.0,
    "seconds": 40, "reason": "r", "bot": "b", "minutes": 5, "server": "s", "permissions": ("Send Messages",),
    "chat": "-5", "host": "3", "found": 7, "known": 9,
    "link": "http://x/", "gib": "1", "commit": "c", "nearest": "N",
}  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("code", FINDINGS)
def test_every_finding_has_a_sentence_without_holes(code: str, locale: str) -> None:
    output = format_finding(code, FACTS, locale)
    assert "…" not in output
    assert "{" not in output


def test_parts_have_titles_in_both_languages() -> None:
    assert part_title("data", "zh-CN") == "数据文件夹"
    assert part_title("data", "en") == "data folder"
    assert part_title("discord", "zh-CN") == "Discord"
