"""``doctor`` names each fault that hosts meet, with its exit code; ``--fix`` repairs its part."""

import asyncio
import contextlib
import json
import shutil
import socket
import sqlite3
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from random import SystemRandom
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.__main__ import app
from bot.app import DATABASE, MIGRATIONS
from bot.checks import checks, storage
from bot.checks.repairs import REPAIRS
from bot.cli import doctor
from bot.desk import files
from bot.desk.people.claim_file import CLAIM_FILE, issue_claim
from bot.store import open_store
from bot.store.files.migrate import count_migrations
from engine.planner.headroom import Headroom, HeadroomProbe
from tests.fakes.platform_answers import PlatformAnswers, platform_answers
from tests.unit.engine.folders import write_model

GIB = 2**30
CARD = Headroom(20 * GIB, 24 * GIB, 3 * GIB, "NVIDIA A10", "NVML", GIB)
DAY_S = 86_400
Usage = namedtuple("Usage", "total used free")


class HostMachine:
    """A sound set-up, in which a test plants one fault."""

    def __init__(self, folder: Path, platforms: PlatformAnswers, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.platforms, self.patch = folder, platforms, patch
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        self.settings = folder / "settings.toml"
        self.opened = contextlib.ExitStack()
        self.environ = {**platforms.environ(), "SUGARBOT_DATA_DIR": str(self.data), "SUGARBOT_WEB__PORT": "0"}

    def write(self, text: str | bytes, mode: int = 0o600) -> None:
        self.settings.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.settings.chmod(mode)

    def doctor(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the JSON of ``sugarbot doctor --json``."""
        for name, value in self.environ.items():
            self.patch.setenv(name, value)
        config = ["--config", str(self.settings)] if self.settings.exists() else []
        ended = CliRunner().invoke(app, ["doctor", "--json", *words, *config])
        return ended.exit_code, json.loads(ended.stdout)

    def database(self) -> Path:
        """A database of this version."""
        path = self.data / DATABASE

        async def make() -> None:
            await (await open_store(path, MIGRATIONS)).close()

        asyncio.run(make())
        return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostMachine]:
    monkeypatch.chdir(tmp_path)
    for name in ("SUGARBOT_CONFIG", "DISCORD_TOKEN_FILE", "TELEGRAM_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with platform_answers() as platforms:
        machine = HostMachine(tmp_path, platforms, monkeypatch)
        with machine.opened:
            yield machine


def as_on_a_card(machine: HostMachine) -> None:
    machine.patch.setattr(HeadroomProbe, "read", lambda _: CARD)
    machine.patch.setattr(checks, "has_stand_ins", lambda _: False)
    machine.patch.setattr(doctor, "WorkerPlanner", lambda *_: PlanlessPlanner())


class PlanlessPlanner:
    """A planner of a machine whose plan is not the test's subject."""

    def choose(self) -> None:
        """No answer."""


def damage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8_000)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")


def newer(machine: HostMachine) -> None:
    with sqlite3.connect(machine.database()) as connection:
        connection.execute("PRAGMA user_version = 9999")


def older(machine: HostMachine) -> None:
    with sqlite3.connect(machine.database()) as connection:
        connection.execute("PRAGMA user_version = 3")


def old_backup(machine: HostMachine, days: int = 5) -> None:
    machine.database()
    (machine.data / "backups").mkdir()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() - days * DAY_S))
    shutil.copy(machine.data / DATABASE, machine.data / "backups" / f"sugarbot-{stamp}.db")


def emptied(machine: HostMachine) -> None:
    old_backup(machine)
    (machine.data / DATABASE).write_bytes(b"")


def no_backup(machine: HostMachine) -> None:
    machine.database()
    later = time.time() + 5 * DAY_S
    machine.patch.setattr(storage, "time", SimpleNamespace(time=lambda: later))


def full_disk(machine: HostMachine, free: int) -> None:
    machine.patch.setattr(files.shutil, "disk_usage", lambda _: Usage(100 * GIB, 100 * GIB - free, free))


def letters(folder: Path) -> Path:
    folder.mkdir()
    (folder / "letter.txt").touch()
    return folder


def taken_port(machine: HostMachine) -> None:
    taken = machine.opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    machine.environ["SUGARBOT_WEB__PORT"] = str(taken.getsockname()[1])


def incomplete_model(machine: HostMachine) -> None:
    model = write_model(machine.folder / "model")
    next(model.glob("transformer/*-00002-*")).unlink()
    machine.environ["SUGARBOT_ENGINE__MODEL"] = str(model)


def bad_lora(machine: HostMachine) -> None:
    (machine.data / "loras").mkdir()
    (machine.data / "loras" / "face.safetensors").write_bytes(b"\x80\x04pickle")


def tokens(machine: HostMachine, mode: int, more: str = "") -> None:
    path = machine.folder / "tokens.env"
    path.write_text(f"CIVITAI_TOKEN=x\n{more}")
    path.chmod(mode)


def claim_code(machine: HostMachine) -> None:
    issue_claim(machine.data, time.time_ns() // 1_000_000, SystemRandom())
    (machine.data / CLAIM_FILE).chmod(0o644)


def token_file(machine: HostMachine, mode: int) -> None:
    path = machine.folder / "token"
    path.write_text(machine.environ.pop("DISCORD_TOKEN"))
    path.chmod(mode)
    machine.environ["DISCORD_TOKEN_FILE"] = str(path)


def answer(machine: HostMachine, method: str, changed: Any) -> None:
    known = machine.platforms.answers[method]
    merged = {**known, **changed} if isinstance(changed, dict) and isinstance(known, dict) else changed
    machine.platforms.answers[method] = merged


def set_environ(machine: HostMachine, **given: str) -> None:
    machine.environ |= given


Plant = Callable[[HostMachine], object]
FAULTS: dict[str, tuple[str, str, Plant]] = {  # name: code, level, and how it comes about
    "settings of another encoding": ("not_utf8", "wrong", lambda m: m.write(b"\xff\xfe")),
    "settings that are no TOML": ("not_toml", "wrong", lambda m: m.write("language = en")),
    "a setting twice": ("given_twice", "wrong", lambda m: m.write("language = 'en'\nlanguage = 'en'")),
    "a misspelt setting": ("misspelt", "wrong", lambda m: m.write("langage = 'en'")),
    "an unknown setting": ("no_setting", "wrong", lambda m: m.write("zzz = 1")),
    "a table as a value": ("no_table", "wrong", lambda m: m.write("quota = 1")),
    "a wrong value": ("must_be_not", "wrong", lambda m: m.write("quota.max_waiting = 0")),
    "an unpinned model": ("unpinned", "wrong", lambda m: m.write("engine.model = 'a/b'")),
    "a token that others read": (
        "readable_by_others", "wrong", lambda m: m.write("telegram.token = '1:t'", 0o644),
    ),
    "a token file that is missing": (
        "token_file", "wrong", lambda m: set_environ(m, DISCORD_TOKEN="", DISCORD_TOKEN_FILE="no"),
    ),
    "a token file that others read": ("token_readable", "note", lambda m: token_file(m, 0o644)),
    "tokens beside it that others read": ("readable_by_others", "wrong", lambda m: tokens(m, 0o644)),
    "something else beside the tokens": ("not_a_token", "wrong", lambda m: tokens(m, 0o600, "LANGUAGE=en\n")),
    "a code of the first host that others read": ("code_readable", "note", claim_code),
    "no host": (
        "no_hosts", "note", lambda m: set_environ(m, SUGARBOT_HOSTS=""),
    ),
    "a variable with a typing error": (
        "variable_misspelt", "note", lambda m: set_environ(m, SUGARBOT_WEB_PORT="1"),
    ),
    "a variable without effect": ("variable_unknown", "note", lambda m: set_environ(m, SUGARBOT_XYZZY="1")),
    "a data folder that others read": ("data_readable", "note", lambda m: m.data.chmod(0o755)),
    "a data folder of other files": (
        "data_foreign", "wrong", lambda m: set_environ(m, SUGARBOT_DATA_DIR=str(letters(m.folder / "home"))),
    ),
    "a data folder that is a file": (
        "data_unusable", "wrong", lambda m: set_environ(m, SUGARBOT_DATA_DIR="/dev/null"),
    ),
    "a full disk": ("disk_full", "wrong", lambda m: full_disk(m, 0)),
    "a nearly full disk": ("disk_low", "note", lambda m: full_disk(m, GIB)),
    "an emptied database beside its backup": ("database_unusable", "wrong", emptied),
    "a database of another program": ("database_unusable", "wrong", lambda m: foreign(m.data / DATABASE)),
    "a damaged database": ("database_unusable", "wrong", lambda m: damage(m.data / DATABASE)),
    "a database of a newer version": ("database_unusable", "wrong", newer),
    "a database of an older version": ("database_old", "note", older),
    "no backup": ("backup_missing", "note", no_backup),
    "old backups": ("backup_old", "note", old_backup),
    "a LoRA folder that is missing": (
        "lora_dir_missing", "wrong", lambda m: set_environ(m, SUGARBOT_ENGINE__LORA_DIR=str(m.folder / "x")),
    ),
    "a LoRA folder that is a file": (
        "lora_dir_unusable", "wrong", lambda m: set_environ(m, SUGARBOT_ENGINE__LORA_DIR="/dev/null"),
    ),
    "a LoRA file that is a pickle": ("lora_refused", "wrong", bad_lora),
    "an unknown default LoRA": (
        "default_unknown", "wrong", lambda m: set_environ(m, SUGARBOT_ENGINE__DEFAULT_LORA="nobody"),
    ),
    "a model that is missing": (
        "model_unusable", "wrong", lambda m: set_environ(m, SUGARBOT_ENGINE__MODEL=str(m.folder / "none")),
    ),
    "a model without a part": ("model_unusable", "wrong", incomplete_model),
    "a card that is missing": (
        "device_missing", "wrong", lambda m: set_environ(m, SUGARBOT_ENGINE__DEVICE="cuda:0"),
    ),
    "packages for a machine without a card": (
        "libraries_missing", "wrong",
        lambda m: (as_on_a_card(m), m.patch.setattr(checks, "has_stand_ins", lambda _: True)),
    ),
    "no compiler": (
        "no_compiler", "note", lambda m: (as_on_a_card(m), set_environ(m, CC=str(m.folder / "no-cc"))),
    ),
    "kernels that cannot be kept": ("kernels_unwritable", "wrong", lambda m: (m.data / "triton").touch()),
    "no chat at all": (
        "no_chats", "wrong",
        lambda m: set_environ(m, DISCORD_TOKEN="", TELEGRAM_TOKEN="", SUGARBOT_WEB__ENABLED="false"),
    ),
    "nobody allowed": (
        "serves_nobody", "note",
        lambda m: set_environ(m, SUGARBOT_ALLOW="discord:7", SUGARBOT_HOSTS="discord:1"),
    ),
    "a port in use": ("port_taken", "wrong", taken_port),
    "a token that Discord refuses": ("token_refused", "wrong", lambda m: answer(m, "users/@me", 401)),
    "a token that Telegram refuses": ("token_refused", "wrong", lambda m: answer(m, "getMe", 404)),
    "a platform out of reach": (
        "unreachable", "wrong", lambda m: set_environ(m, SUGARBOT_DISCORD__API_BASE="http://127.0.0.1:9/x"),
    ),
    "a proxy out of reach": (
        "unreachable", "wrong", lambda m: set_environ(m, SUGARBOT_TELEGRAM__PROXY="http://127.0.0.1:9"),
    ),
    "a platform in trouble": ("unreachable", "wrong", lambda m: answer(m, "users/@me", 503)),
    "a wrong clock": ("clock_wrong", "wrong", lambda m: setattr(m.platforms, "ahead_s", 300.0)),
    "commands that go elsewhere": (
        "commands_go_elsewhere", "wrong",
        lambda m: answer(m, "applications/@me", {"interactions_endpoint_url": "https://example.org/x"}),
    ),
    "too many starts": (
        "starts_used_up", "wrong",
        lambda m: answer(m, "gateway/bot", {"session_start_limit": {"remaining": 0, "reset_after": 60_000}}),
    ),
    "commands of another version": (
        "menu_outdated", "note", lambda m: answer(m, "applications/9/commands", []),
    ),
    "no server": ("in_no_server", "note", lambda m: answer(m, "users/@me/guilds", [])),
    "too few permissions": (
        "permissions_missing", "note",
        lambda m: answer(m, "users/@me/guilds", [{"id": "7", "name": "s", "permissions": "1024"}]),
    ),
    "a webhook": ("webhook_set", "note", lambda m: answer(m, "getWebhookInfo", {"result": {"url": "https://x"}})),
    "another reader": ("read_elsewhere", "wrong", lambda m: answer(m, "getUpdates", 409)),
    "no groups": ("no_groups", "note", lambda m: answer(m, "getMe", {"result": {"can_join_groups": False}})),
    "privacy mode off": (
        "privacy_off", "note",
        lambda m: answer(m, "getMe", {"result": {"can_read_all_group_messages": True}}),
    ),
    "a chat without the bot": ("not_in_chat", "note", lambda m: answer(m, "getChat -5", 400)),
    "a host who has not written": ("host_has_not_written", "note", lambda m: answer(m, "getChat 3", 400)),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_exit_code_and_fix_repairs_what_it_can(
    fault: str, machine: HostMachine
) -> None:
    code, level, plant = FAULTS[fault]
    plant(machine)
    exit_code, found = machine.doctor()
    named = {each["code"]: each for each in found["findings"] if each["level"] != "fine"}
    assert named[code]["level"] == level
    assert named[code]["can_fix"] == (code in REPAIRS)
    wrong = [each for each in named.values() if each["level"] == "wrong"]
    assert exit_code == int(bool(wrong))
    assert found["is_sound"] == (not wrong)
    assert {each["code"] for each in wrong} <= {code}  # nothing else is blamed
    if code == "database_old":
        assert count_migrations(machine.data / DATABASE) == 3  # nothing was migrated
    if code in REPAIRS:
        machine.doctor("--fix")
        exit_code, found = machine.doctor()
        assert exit_code == 0
        assert code not in {each["code"] for each in found["findings"]}


def test_the_table_has_the_faults_that_hosts_meet() -> None:
    assert len(FAULTS) >= 40


def test_a_sound_set_up_has_no_fault_and_the_platforms_are_only_read(machine: HostMachine) -> None:
    machine.database()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):  # the bot itself reads no proxy from them
        machine.patch.setenv(name, "http://127.0.0.1:9")
        machine.patch.delenv("NO_PROXY", raising=False)
        machine.patch.delenv("no_proxy", raising=False)
    exit_code, found = machine.doctor()
    assert exit_code == 0
    codes = {each["code"] for each in found["findings"] if each["level"] != "fine"}
    assert codes <= {"card_unknown", "no_compiler", "no_headers"}
    assert [each["code"] for each in found["findings"]].count("accepted") == 2
    read = set(machine.platforms.asked)
    assert read == set(machine.platforms.answers)
    assert machine.doctor("--offline")[0] == 0
    assert set(machine.platforms.asked) == read


def test_the_report_for_an_issue_names_neither_tokens_nor_people_nor_folders(machine: HostMachine) -> None:
    machine.database()
    for name, value in machine.environ.items():
        machine.patch.setenv(name, value)
    printed = CliRunner().invoke(app, ["doctor", "--issue"]).stdout
    assert "fine discord accepted" in printed
    for secret in ("1:t", str(machine.folder), "telegram:3", "-5", "a server", "sugar_bot"):
        assert secret not in printed


@pytest.mark.slow
def test_deep_draws_a_picture(machine: HostMachine) -> None:
    exit_code, found = machine.doctor("--deep", "--offline")
    assert exit_code == 0
    assert "canary" in {each["code"] for each in found["findings"]}
