"""``upgrade --check`` says what a start of this version would do, and changes nothing."""

import contextlib
import hashlib
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

import pytest

from bot.checks import upgrade
from bot.checks.finding import Finding, Level
from bot.checks.upgrade import check_driver, check_migrations, check_model_copy, check_packages
from bot.messages.checks import format_finding, part_title
from bot.settings import Settings
from bot.store import open_store
from bot.store.files.backup import back_up
from bot.store.files.migrate import read_migrations
from engine.checkpoint.copies import SIDECAR, copy_folder, identity_of
from engine.planner.machine import CardProbe
from tests.fakes.desk_harness import MIGRATIONS
from tests.fakes.nvml import FakeGpu, FakeNvml
from tests.unit.bot.store.stored import a_person
from tests.unit.engine.folders import write_model

KNOWN = len(read_migrations(MIGRATIONS))


def levels(findings: list[Finding]) -> list[tuple[str, Level]]:
    """Codes and levels; each finding also has a sentence in both languages."""
    for finding in findings:
        english, chinese = (format_finding(finding.code, finding.facts, one) for one in ("en", "zh-CN"))
        assert english
        assert chinese
        assert "…" not in english
        assert part_title(finding.part, "zh-CN") != finding.part
    return [(finding.code, finding.level) for finding in findings]


def older_migrations(folder: Path, count: int) -> Path:
    folder.mkdir()
    for migration in read_migrations(MIGRATIONS)[:count]:
        shutil.copy(migration.path, folder)
    return folder


async def a_database(folder: Path, count: int = KNOWN) -> Path:
    store = await open_store(folder / "sugarbot.db", older_migrations(folder / "older", count))
    await a_person(store, "web", "ann")
    await store.close()
    return folder / "sugarbot.db"


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


async def test_migrations_are_named_with_their_reason_tried_on_a_copy_and_change_nothing(
    tmp_path: Path,
) -> None:
    path = await a_database(tmp_path, KNOWN - 2)
    before = contents(tmp_path)
    findings = list(check_migrations(path, MIGRATIONS, 0))
    assert levels(findings) == [
        ("database_behind", Level.NOTE),
        ("migration", Level.NOTE),
        ("migration", Level.NOTE),
        ("space", Level.FINE),
        ("rehearsed", Level.FINE),
    ]
    newest = read_migrations(MIGRATIONS)[-1]
    sentence = format_finding(findings[2].code, findings[2].facts, "en")
    assert sentence == f"{newest.name}: {newest.read_reason()}"
    assert contents(tmp_path) == before


async def test_a_current_database_needs_no_migration(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    assert levels(list(check_migrations(path, MIGRATIONS, 0))) == [
        ("database_current", Level.FINE),
        ("space", Level.FINE),
        ("rehearsed", Level.FINE),
    ]


async def test_a_running_bot_is_noticed_and_not_disturbed(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    store = await open_store(path, MIGRATIONS)
    await a_person(store, "web", "bob")
    found = levels(list(check_migrations(path, MIGRATIONS, 0)))
    await a_person(store, "web", "carl")
    await store.close()
    assert found[0] == ("bot_runs", Level.NOTE)
    assert found[-1] == ("rehearsed", Level.FINE)


async def test_a_migration_that_fails_on_the_rows_is_a_fault(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    steps = older_migrations(tmp_path / "newer", KNOWN)
    (steps / f"{KNOWN + 1:04d}_bad.sql").write_text("-- Why: no.\nINSERT INTO person VALUES (1, 1);")
    assert levels(list(check_migrations(path, steps, 0)))[-1] == ("database_unusable", Level.WRONG)


async def test_a_newer_a_foreign_and_a_damaged_database_are_faults(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    older = older_migrations(tmp_path / "fewer", KNOWN - 1)
    assert levels(list(check_migrations(path, older, 0))) == [("database_unusable", Level.WRONG)]
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")
    assert levels(list(check_migrations(other, MIGRATIONS, 0))) == [("database_unusable", Level.WRONG)]
    for damaged in (path.read_bytes()[:9_000], b"\xff" * 200 + path.read_bytes()[200:]):
        path.write_bytes(damaged)
        assert levels(list(check_migrations(path, MIGRATIONS, 0))) == [("database_unusable", Level.WRONG)]


async def test_credits_that_do_not_add_up_are_a_fault(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE account SET credits = credits + 1")
    assert levels(list(check_migrations(path, MIGRATIONS, 0)))[-1] == ("unbalanced", Level.WRONG)


async def test_the_copy_before_the_migration_must_fit_beside_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await a_database(tmp_path, KNOWN - 1)
    monkeypatch.setattr(upgrade, "free_and_needed_bytes", lambda *_: (2**20, 2**20))
    assert ("space_short", Level.WRONG) in levels(list(check_migrations(path, MIGRATIONS, 0)))


async def test_without_space_for_a_copy_nothing_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await a_database(tmp_path)
    small = tmp_path / "small"
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(small))
    disk_usage = shutil.disk_usage
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda folder: shutil._ntuple_diskusage(1, 1, 0) if folder == str(small) else disk_usage(folder),
    )
    assert levels(list(check_migrations(path, MIGRATIONS, 0)))[-1] == ("not_rehearsed", Level.NOTE)


def test_without_a_database_the_first_start_creates_it(tmp_path: Path) -> None:
    assert levels(list(check_migrations(tmp_path / "a.db", MIGRATIONS, 0))) == [("database_new", Level.FINE)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_database_that_is_lost_is_a_fault_where_its_backups_are(
    tmp_path: Path, is_there: bool
) -> None:
    path = await a_database(tmp_path)
    back_up(path, tmp_path / "backups", 0)
    path.unlink()
    if is_there:
        path.touch()
    assert levels(list(check_migrations(path, MIGRATIONS, 0))) == [("database_unusable", Level.WRONG)]


def test_an_empty_file_in_a_new_folder_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    assert levels(list(check_migrations(tmp_path / "a.db", MIGRATIONS, 0))) == [("database_new", Level.FINE)]


def a_clone(folder: Path, python: str, *pins: str, needs: str = "numpy>=1") -> Path:
    (folder / "pyproject.toml").write_text(
        f'[project]\nrequires-python = ">={python}"\ndependencies = ["{needs}"]'
    )
    (folder / "requirements-run.lock").write_text(
        "\n".join(f"{pin} \\\n    --hash=sha256:00" for pin in pins)
    )
    return folder


@pytest.mark.parametrize(
    ("python", "pins", "needs", "expected"),
    [
        ("3.8", (f"numpy=={upgrade._installed_version('numpy')}",), "numpy>=1", ["packages_fit"]),
        ("3.8", (f"numpy=={upgrade._installed_version('numpy')}", "numpy==1.0"), "numpy", ["packages_fit"]),
        ("3.8", ("numpy==1.0", "not-there==1"), "numpy>=1", ["packages_differ"]),
        ("3.8", ("no.such_package==1",), "No-such.package[all]>=1", ["packages_missing"]),
        ("9.9", (f"numpy=={upgrade._installed_version('numpy')}",), "numpy", ["python_old", "packages_fit"]),
    ],
)
def test_a_clone_is_compared_with_its_lock(
    tmp_path: Path, python: str, pins: tuple[str, ...], needs: str, expected: list[str]
) -> None:
    findings = list(check_packages(a_clone(tmp_path, python, *pins, needs=needs)))
    assert [code for code, _ in levels(findings)] == expected


def test_without_a_clone_only_the_python_is_told(tmp_path: Path) -> None:
    [finding] = check_packages(tmp_path)
    assert levels([finding]) == [("python", Level.FINE)]
    assert finding.facts["version"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize(
    ("driver", "cuda", "expected"),
    [
        ("580.65.06", "13.0.96", [("driver", Level.FINE)]),
        ("575.57.08", "13.0.96", [("driver_old", Level.WRONG)]),
        ("525.60.13", "12.8.90", [("driver", Level.FINE)]),
        ("470.82.01", "12.8.90", [("driver_old", Level.WRONG)]),
        ("470.82.01", "", []),
    ],
)
def test_the_driver_must_run_the_cuda_of_the_packages(
    driver: str, cuda: str, expected: list[tuple[str, Level]]
) -> None:
    nvml = FakeNvml(FakeGpu(12, 11, name="NVIDIA GeForce RTX 3060"))
    nvml.nvmlSystemGetDriverVersion = lambda: driver  # type: ignore[attr-defined,method-assign]
    card = CardProbe("auto", 0, nvml=nvml, environ={})
    assert levels(list(check_driver(card, cuda))) == expected


def test_without_a_card_no_driver_is_checked() -> None:
    assert list(check_driver(CardProbe("auto", 0, nvml=FakeNvml(), environ={}), "13.0")) == []


def test_a_converted_copy_of_other_files_is_told(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    settings = Settings.model_validate({"data_dir": tmp_path / "var", "engine": {"model": str(model)}})
    assert levels(list(check_model_copy(settings))) == [("model_named", Level.FINE)]
    folder = copy_folder(settings.data_dir, model, "model")
    folder.mkdir(parents=True)
    (folder / SIDECAR).write_text(f'{{"identity": "{identity_of(model)}1"}}')
    assert levels(list(check_model_copy(settings))) == [("copy_stale", Level.NOTE)]


def test_a_model_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    settings = Settings.model_validate({"engine": {"model": str(tmp_path / "nowhere")}})
    assert levels(list(check_model_copy(settings))) == [("model_unusable", Level.WRONG)]
