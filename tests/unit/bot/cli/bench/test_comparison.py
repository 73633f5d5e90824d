"""`sugarbot bench`: the options of the measuring process, its printed results, and its end."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.cli.bench import article_table, comparison
from bot.errors import BadSize, DataFolderForeign, SizeNotAllowed
from bot.messages import text
from bot.settings import Settings
from engine.bench.report.targets import targets
from engine.errors import EngineError

DOCUMENT = {
    "lines": [
        {"row": "E1", "who": who, "value": value, "work": "512 × 768", "note": "", "has_failed": False}
        for who, value in (("stock", 0.714), ("recipe", 0.482), ("floor", 0.265), ("ours", 0.289))
    ],
    "figures": [
        {"row": "E1", "what": "ours ÷ floor", "reach": "≤ 1.1", "measured": 1.0906, "is_met": True},
        {"row": "E1", "what": "stock ÷ ours", "reach": "≥ 2.4", "measured": 2.31, "is_met": False},
        {"row": "E7", "what": "card busy", "reach": "≥ 97 %", "measured": None, "is_met": None},
    ],
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, language="zh-CN", engine={"device": "cpu"})


@pytest.fixture
def command_lines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The command lines of a measuring process that succeeds at once."""
    lines: list[Sequence[str]] = []

    def write(folder: Path) -> None:
        folder.mkdir()
        (folder / "results.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")

    async def run(arguments: Sequence[str], on_line: object) -> int:
        lines.append(arguments)
        folder = Path(arguments[arguments.index("--into") + 1])
        await asyncio.to_thread(write, folder)
        return 0

    monkeypatch.setattr(comparison, "_run", run)
    return lines


async def test_a_data_folder_with_files_of_others_is_left_alone(
    settings: Settings, command_lines: list[Sequence[str]]
) -> None:
    (settings.data_dir / "thesis.txt").touch()
    with pytest.raises(DataFolderForeign):
        await comparison.compare(settings, is_random=False, sizes="", options=[], into=None)
    with pytest.raises(DataFolderForeign):
        await article_table.report(settings, rounds=1, into=None)
    assert [each.name for each in settings.data_dir.iterdir()] == ["thesis.txt"]
    assert not command_lines


async def test_the_results_are_printed_in_the_host_s_language(
    settings: Settings, command_lines: list[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--only", "E1"]
    code = await comparison.compare(settings, is_random=False, sizes="", options=options, into=None)
    assert code == 0
    output = capsys.readouterr().out
    for expected in (
        "原版 diffusers",
        "0.714",
        "0.289",
        "常用尺寸单张",
        "本项目 ÷ 下限",
        "1.09",
        "✓",
        "2.31",
        "✗",
    ):
        assert expected in output
    assert "显卡忙碌" not in output  # nothing was measured
    assert command_lines[0][-2:] == options
    assert "--folder" not in command_lines[0]


async def test_the_other_results_are_printed_after_a_failed_row(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stock, *others = DOCUMENT["lines"]
    failed = stock | {"value": None, "work": "", "note": "RuntimeError: no room", "has_failed": True}
    lines = json.dumps(DOCUMENT | {"lines": [failed, *others]})
    path = str(settings.data_dir / "results.json")
    replace_process(monkeypatch, f"open({path!r}, 'w').write({lines!r}); raise SystemExit(1)")
    code = await comparison.compare(settings, is_random=False, sizes="", options=[], into=settings.data_dir)
    assert code == 1
    output = capsys.readouterr().out
    failure = "E1 原版 diffusers 失败：RuntimeError: no room"
    for expected in ("512 × 768", "0.289", "1.09", failure, "退出码 1"):
        assert expected in output


async def test_results_of_an_earlier_run_are_not_printed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.data_dir / "results.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    replace_process(monkeypatch, "raise SystemExit(2)")
    into = settings.data_dir
    assert await comparison.compare(settings, is_random=False, sizes="", options=[], into=into) == 2
    assert "0.289" not in capsys.readouterr().out


async def test_random_weights_do_not_require_the_host_s_model(
    tmp_path: Path, command_lines: list[Sequence[str]]
) -> None:
    settings = Settings(data_dir=tmp_path, engine={"model": "./nowhere", "device": "cuda:1"})
    into = tmp_path / "elsewhere"
    await comparison.compare(
        settings, is_random=True, sizes="512x768,1024x1024,512x512", options=[], into=into
    )
    (arguments,) = command_lines
    assert arguments[0] == "--random"
    assert arguments[arguments.index("--device") + 1] == "cuda:1"
    assert arguments[arguments.index("--into") + 1] == str(into)
    assert arguments[arguments.index("--sizes") + 1] == "512x768,1024x1024,512x512"


@pytest.mark.parametrize("sizes", ["2:3,128x128,128x128", "128x192,,wide"])
async def test_an_invalid_size_is_refused(
    settings: Settings, command_lines: list[Sequence[str]], sizes: str
) -> None:
    with pytest.raises(BadSize):
        await comparison.compare(settings, is_random=False, sizes=sizes, options=[], into=None)
    assert not command_lines


async def test_a_size_off_the_model_s_grid_is_refused_with_the_nearest(
    settings: Settings, command_lines: list[Sequence[str]]
) -> None:
    with pytest.raises(SizeNotAllowed) as refused:
        await comparison.compare(settings, is_random=False, sizes="128x192,100x100", options=[], into=None)
    assert (128, 128) in refused.value.facts["nearest"]
    assert not command_lines


async def test_the_exit_code_and_the_lines_of_the_measuring_process_are_passed_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    replace_process(monkeypatch, "import sys; print('a line'); sys.exit(3)")
    assert await comparison.compare(settings, is_random=False, sizes="", options=[], into=None) == 3
    assert "a line" in capfd.readouterr().out


def replace_process(monkeypatch: pytest.MonkeyPatch, script: str) -> list[asyncio.subprocess.Process]:
    """Replace the measuring process by a script; the list contains each started process."""
    real, started = asyncio.create_subprocess_exec, list[asyncio.subprocess.Process]()

    async def exec_(*_: str, **more: object) -> asyncio.subprocess.Process:
        started.append(await real(sys.executable, "-c", script, **more))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", exec_)
    return started


async def test_the_measuring_process_never_outlives_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    started = replace_process(monkeypatch, "import time; time.sleep(60)")
    task = asyncio.create_task(comparison._run([], print))
    while not started:  # noqa: ASYNC110 - a process sets no event
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert started[0].returncode is not None


async def test_a_measuring_process_that_does_not_end_is_killed_and_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    started = replace_process(monkeypatch, script)
    monkeypatch.setattr(comparison, "LONGEST_S", 0.5)
    monkeypatch.setattr(comparison, "END_S", 0.1)
    with pytest.raises(EngineError, match="was stopped"):
        await comparison._run([], print)
    assert started[0].returncode is not None


def test_every_row_and_figure_has_its_name_in_both_languages() -> None:
    for figure in targets("bfloat16"):
        assert figure.what in comparison.FIGURES
        assert text(figure.what, "zh-CN") != figure.what
        assert figure.row in comparison.ROWS
    assert set(comparison.FIGURES) == {figure.what for figure in targets("bfloat16")}


RESULT = {
    "seconds": 12.4, "row": "E6", "who": "ours", "value": 3.21, "unit": "pictures/s", "work": "512 × 768",
    "note": "12 pictures",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "locale", "output"),
    [
        ({}, "en", "   12 s  E6 another LoRA for every picture · ours · 512 × 768: 3.21 pictures a second"),
        ({}, "zh-CN", "   12 s  E6 每张都换 LoRA · 本项目 · 512 × 768: 3.21 张/秒"),
        ({"who": "x", "unit": "s"}, "en", "   12 s  E6 another LoRA for every picture · 512 × 768: 3.21 s"),
        (
            {"value": None},
            "en",
            "   12 s  E6 another LoRA for every picture · ours · 512 × 768: not measured",
        ),
    ],
)
def test_each_result_is_printed_in_the_host_s_language(
    changed: dict[str, object], locale: str, output: str
) -> None:
    assert comparison._progress(json.dumps(RESULT | changed), locale) == output


@pytest.mark.parametrize(
    "line", ["a warning of a library", "7", "[]", '{"row": "E6"}', '{"row": []}', "null"]
)
def test_other_lines_stay_unchanged(line: str) -> None:
    assert comparison._progress(line, "en") == line
