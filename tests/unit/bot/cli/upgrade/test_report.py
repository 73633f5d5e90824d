"""``sugarbot upgrade``: exit code 0 if this version can start, 1 if the host must act first."""

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import __main__ as command_line
from bot.app import DATABASE
from bot.store.files.lock import locked

pytestmark = pytest.mark.usefixtures("own_threads")


def run(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit code and output of ``sugarbot upgrade`` in the current folder."""
    monkeypatch.setattr(sys, "argv", ["sugarbot", "upgrade", *words])
    monkeypatch.setenv("SUGARBOT_LANG", "en")
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    return int(caught.value.code or 0), capfd.readouterr().out


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUGARBOT_WEB__PORT", "0")
    return tmp_path


@pytest.fixture
def taken_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("SUGARBOT_WEB__PORT", str(port))
        yield port


def test_a_sound_folder_is_ready_and_unchanged(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, printed = run(["--check"], monkeypatch, capfd)
    assert (code, printed.splitlines()[-1]) == (0, "Ready: this version can start.")
    assert list(home.iterdir()) == []


def test_json_has_the_verdict_and_every_finding(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "var").mkdir()
    (home / "var" / "sugarbot.db").write_text("no database at all")
    code, printed = run(["--check", "--json"], monkeypatch, capfd)
    content = json.loads(printed)
    assert (code, content["is_ready"]) == (1, False)
    wrong = [each for each in content["findings"] if each["level"] == "wrong"]
    assert [each["part"] for each in wrong] == ["database"]
    assert "damaged" in wrong[0]["sentence"]


def test_settings_of_another_version_are_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "sugarbot.toml").write_text("[storage]\nkeep_picture_days = 3\n")
    code, printed = run(["--check"], monkeypatch, capfd)
    assert code == 1
    assert "did you mean storage.keep_pictures_days?" in printed


def test_what_prevents_a_start_is_a_fault(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "var").write_text("a file where the data folder should be")
    code, printed = run(["--check"], monkeypatch, capfd)
    assert (code, printed.splitlines()[-1]) == (1, "Not ready: repair what is marked with ✗ first.")
    assert "✗  data folder  var can't be written" in printed
    (home / "var").unlink()
    (home / "sugarbot.toml").write_text("[engine]\ndevice = 'cuda:7'\nlora_dir = 'nowhere'\n")
    code, printed = run(["--check"], monkeypatch, capfd)
    assert code == 1
    assert "engine.lora_dir is nowhere" in printed
    assert "engine.device is cuda:7" in printed


def test_an_unknown_default_lora_is_a_fault(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUGARBOT_ENGINE__DEFAULT_LORA", "nobody")
    code, printed = run(["--check"], monkeypatch, capfd)
    assert code == 1
    assert "engine.default_lora is nobody, which is not on the shelf" in " ".join(printed.split())


def test_a_refused_lora_file_prevents_no_start(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "var" / "loras").mkdir(parents=True)
    (home / "var" / "loras" / "bad.safetensors").write_bytes(b"no LoRA")
    monkeypatch.setenv("SUGARBOT_ENGINE__DEFAULT_LORA", "sugar")
    code, printed = run(["--check"], monkeypatch, capfd)
    assert (code, "shelf" in printed) == (0, False)


def test_a_port_in_use_is_a_fault(
    home: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, printed = run(["--check"], monkeypatch, capfd)
    assert code == 1
    assert f"127.0.0.1:{taken_port} is in use by another program" in " ".join(printed.split())


def test_the_port_of_a_running_bot_is_none(
    home: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "var").mkdir()
    with locked(home / "var" / DATABASE):
        code, printed = run(["--check"], monkeypatch, capfd)
    assert (code, str(taken_port) in printed) == (0, False)


def test_without_check_the_steps_are_explained(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, printed = run([], monkeypatch, capfd)
    assert code == 0
    assert "sugarbot upgrade --check" in printed
    assert list(home.iterdir()) == []
