"""Every command in the READMEs and the pages of docs runs and does what the text says."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "engine" / "demo"
READMES = ("README.md", "README.zh-CN.md")
PAGES = (READMES, ("docs/commands.md", "docs/commands.zh-CN.md"))
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
SUGARBOT = (sys.executable, "-m", "bot")
SERVING = ("make demo", ".venv/bin/sugarbot run")
DESCRIBED = ("make test", "make setup")  # this run is one of them


def commands(readme: str) -> list[str]:
    """The lines of a page's shell blocks without assignments of tokens."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [line for line in lines if line.strip() and not line.startswith("export ")]


def ending_commands() -> list[str]:
    lines = {line for pages in PAGES for page in pages for line in commands(page)}
    return sorted(lines - {*SERVING, *DESCRIBED})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a bot has run: some commands look at its database."""
    home = tmp_path_factory.mktemp("readme")
    subprocess.run([*SUGARBOT, "say", "a face"], cwd=home, env=environment(home), check=True, timeout=150)
    return home


@pytest.fixture(scope="module")
def small_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model as a model of 64 × 64 px: the benchmark draws dozens of pictures."""
    folder = tmp_path_factory.mktemp("model") / "small"
    shutil.copytree(DEMO / "weights", folder)
    shutil.copytree(DEMO / "loras", folder / "loras")
    sides = dict.fromkeys(("native_width_px", "native_height_px", "min_side_px", "max_side_px"), 64)
    (folder / "sugarbot.json").write_text(json.dumps(sides | {"max_area_px": 64 * 64}))
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "SUGARBOT_DATA_DIR": str(home / "var")} | more


@pytest.mark.parametrize("pages", PAGES, ids=lambda pages: pages[0])
def test_a_page_has_the_same_commands_in_both_languages(pages: tuple[str, str]) -> None:
    first, second = (commands(page) for page in pages)
    assert first == second
    assert len(first) >= 6


@pytest.mark.slow
@pytest.mark.parametrize("line", ending_commands())
def test_a_command_of_the_readme_runs(line: str, home: Path, small_pictures: Path) -> None:
    program, *words = shlex.split(line)
    assert program == ".venv/bin/sugarbot", f"no test knows how to run {line}"
    changed = {"SUGARBOT_WEB__PORT": "0"}  # doctor says if another program has the usual one
    if words[0] == "bench":
        changed["SUGARBOT_ENGINE__MODEL"] = str(small_pictures)
    done = subprocess.run(
        [*SUGARBOT, *words],
        cwd=home,
        env=environment(home, **changed),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "-n 2" in line:
        pictures = [Path(path) for path in done.stdout.split()]
        assert len(pictures) == 2
        assert all((home / path).is_file() for path in pictures)


@pytest.mark.slow
@pytest.mark.parametrize("line", SERVING)
def test_a_serving_command_of_the_readme_serves_the_page_and_ends_at_ctrl_c(line: str, home: Path) -> None:
    for readme in READMES:
        assert line in commands(readme)
    words = ["demo"] if line == "make demo" else shlex.split(line)[1:]
    process = subprocess.Popen(
        [*SUGARBOT, *words],
        cwd=home,
        env=environment(home, SUGARBOT_WEB__PORT="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines, found = [], None
        for printed in process.stdout:
            lines.append(printed)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", printed):
                break
        assert found is not None, lines
        with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/", timeout=60) as page:
            assert page.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    output = "".join([*lines, rest])
    assert process.returncode == 0, output
    if line == "make demo":
        assert [path for path in re.findall(r"out/\S+\.png", output) if (home / path).is_file()], output


def test_make_calls_what_the_readme_says() -> None:
    dry = {goal: make("-n", goal) for goal in ("demo", "test", "check")}
    assert "sugarbot demo" in dry["demo"]
    assert "pytest" in dry["test"]
    for step in ("ruff format --check", "ruff check", "mypy", "lint-imports", "pytest"):
        assert step in dry["check"]


def make(*words: str) -> str:
    done = subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout
