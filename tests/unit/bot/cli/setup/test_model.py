"""`sugarbot setup` converts a model once, explains why it does nothing, and stops at Ctrl-C."""

import asyncio
import json
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.checks.finding import Finding, Level
from bot.cli import doctor
from bot.cli.setup import model as setup
from bot.messages import format_error
from bot.messages.checks import format_finding
from bot.settings import Settings, load_settings
from engine.checkpoint.convert import convert
from engine.checkpoint.model import find_model, find_source
from engine.errors import ModelNotConverted, NoRoomForCopy
from engine.planner.headroom import Headroom, HeadroomProbe
from tests.unit.engine.checkpoint.published.making import CONFIG, dense, write_int8
from tests.unit.engine.folders import write_model


def sentence(finding: Finding, locale: str = "en") -> str:
    return format_finding(finding.code, finding.facts, locale)


def sentences(settings: Settings) -> list[str]:
    return [sentence(each) for each in doctor._check_engine(settings)]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    model = write_model(tmp_path / "model")
    (tmp_path / "sugarbot.toml").write_text(
        f"data_dir = {json.dumps(str(tmp_path / 'data'))}\n[engine]\nmodel = {json.dumps(str(model))}\n"
    )
    return load_settings(None)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeadroomProbe, "read", lambda _: Headroom(1, 1, 0, "NVIDIA Test", "for this test"))


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeadroomProbe, "read", lambda _: Headroom(1, 1, 0, "CPU", "for this test"))


async def test_a_model_is_converted_once(
    card: None, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await setup.report(settings) == 0
    assert "Converted to bfloat16" in capsys.readouterr().out
    assert find_model(settings.to_engine_config()).origin is not None
    assert await setup.report(settings) == 0
    assert "the converted copy is up to date" in capsys.readouterr().out


async def test_without_a_card_nothing_is_converted(
    no_card: None, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await setup.report(settings) == 0
    assert "without a card" in capsys.readouterr().out
    assert not (settings.data_dir / "models").exists()


async def test_the_built_in_model_needs_no_conversion(
    card: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert await setup.report(load_settings(None)) == 0
    assert "the built-in model can be used as it is" in capsys.readouterr().out


def test_the_doctor_says_when_a_conversion_would_save_time(card: None, settings: Settings) -> None:
    def output() -> str:
        return "\n".join(sentences(settings))

    assert "sugarbot setup" in output()
    convert(find_source(settings.to_engine_config()), settings.data_dir, lambda *_: None)
    assert "sugarbot setup" not in output()
    assert "converted: " in output()


@pytest.mark.parametrize(
    ("programs", "named", "is_missed"),
    [((), None, True), (("clang",), None, False), (("gcc",), "icc", True), (("icc",), "icc", False)],
)
def test_the_doctor_reports_a_missing_compiler_for_triton(
    card: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    programs: tuple[str, ...],
    named: str | None,
    is_missed: bool,
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)
    monkeypatch.delenv("CC", raising=False)
    if named is not None:
        monkeypatch.setenv("CC", named)
    for language, expected in (("en", "install gcc or clang"), ("zh-CN", "没有 C 编译器")):
        translated = settings.model_copy(update={"language": language})
        found = [each for each in doctor._check_engine(translated) if expected in sentence(each, language)]
        assert [each.level for each in found] == [Level.NOTE] * is_missed


@pytest.mark.parametrize("is_missed", [True, False])
def test_the_doctor_reports_missing_headers_for_triton(
    card: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_missed: bool
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: name)
    monkeypatch.setattr(sysconfig, "get_paths", lambda scheme: {"include": str(tmp_path)})
    if not is_missed:
        (tmp_path / "Python.h").touch()
    for language, expected in (("en", "install python3-dev"), ("zh-CN", "没有 Python.h")):
        translated = settings.model_copy(update={"language": language})
        found = [each for each in doctor._check_engine(translated) if expected in sentence(each, language)]
        assert [each.level for each in found] == [Level.NOTE] * is_missed


@pytest.mark.parametrize("lacks", ["card", "triton"])
def test_the_doctor_needs_no_compiler_without_a_build(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    lacks: str,
) -> None:
    request.getfixturevalue("no_card" if lacks == "card" else "card")
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if lacks == "triton" else name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sysconfig, "get_paths", lambda scheme: {"include": str(tmp_path)})
    output = sentences(settings)
    assert not [each for each in output if "gcc" in each or "Python.h" in each]


async def test_ctrl_c_stops_it_and_leaves_nothing(
    card: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(source: object, data_dir: Path, report: Callable[[int, int], None]) -> Path:
        def wait_then_report(done_bytes: int, total_bytes: int) -> None:
            loop.call_soon_threadsafe(started.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
            report(done_bytes, total_bytes)

        return convert(source, data_dir, wait_then_report)  # type: ignore[arg-type]

    monkeypatch.setattr(setup, "convert", slow)
    work = asyncio.create_task(setup.report(settings))
    await started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    go_on.set()
    await loop.shutdown_default_executor()
    assert [path.name for path in (settings.data_dir / "models").iterdir()] == [".convert.lock"]


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_a_full_disk_is_reported_with_both_figures(locale: str) -> None:
    error = NoRoomForCopy(folder="/models", needed_bytes=12_560_000_000, free_bytes=3_100_000_000)
    output = format_error(error, locale)
    assert all(each in output for each in ("11.7 GiB", "2.9 GiB", "/models", "data_dir"))


async def test_a_published_file_is_converted_without_a_card_too(
    no_card: None, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(settings.engine.model) / "transformer"
    for path in folder.iterdir():
        path.unlink()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    write_int8(folder / "z_image_turbo_int8_convrot.safetensors", dense(), group=256)
    with pytest.raises(ModelNotConverted) as caught:
        find_model(settings.to_engine_config())
    assert "`sugarbot setup` converts it" in format_error(caught.value, "en")
    assert await setup.report(settings) == 0
    assert "Converted to bfloat16" in capsys.readouterr().out
    assert find_model(settings.to_engine_config()).origin is not None
