"""Upkeep: nothing that grows for ever or is readable by others, and nothing ends the bot."""

import asyncio
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from bot.commands.values import Draw, ShowStatistics
from bot.desk import maintenance
from bot.errors import DataFolderForeign
from bot.outcomes import Platform, Receipt, StatisticsShown
from bot.policy.rules import Rules
from bot.store.files import backup
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until

DAY_S = 86_400


def test_thinning_out_knows_only_possible_dates(tmp_path: Path) -> None:
    now_s = datetime(2026, 9, 21, tzinfo=UTC).timestamp()
    odd = ["sugarbot-20361231-000000.db", "sugarbot-20251399-000000.db", "sugarbot-20260920-000000.db.bak"]
    days = [
        f"sugarbot-{datetime.fromtimestamp(now_s - n * DAY_S, tz=UTC):%Y%m%d-%H%M%S}.db" for n in range(9)
    ]
    for name in (*odd, *days):
        (tmp_path / name).touch()
    assert backup.newest_s(tmp_path, now_s) == now_s
    backup.thin_out(tmp_path, now_s)
    kept = {path.name for path in tmp_path.iterdir()}
    assert {*odd, *days[: backup.KEEP_NIGHTS]} <= kept


async def rows_of(harness: DeskHarness) -> dict[str, int]:
    ask = harness.store._run
    return {
        table: (await ask(f"SELECT count(*) FROM {table}"))[0][0]  # noqa: S608 - our own names
        for table in ("inbox", "origin", "outbox", "job")
    }


async def test_sixty_days_of_messages_leave_no_more_rows_than_a_fortnight(tmp_path: Path) -> None:
    clock, most = FakeClock(), dict[str, int]()
    rules = Rules(daily_credits=1_000, max_waiting=10)
    async with open_harness(tmp_path, clock=clock, rules=rules) as harness, harness.running():
        for day in range(60):
            for number in range(5):
                event = f"{day}-{number}"
                await harness.desk.store_events(Platform.TELEGRAM, [(event, "{}")])
                await harness.desk.handle(
                    Draw(prompt="a face"), a_context(event, platform=Platform.CONSOLE, chat_id="here")
                )
                await harness.desk.finish_event(Platform.TELEGRAM, event)
            await harness.chat.wait_for_results(5 * (day + 1))
            await until(lambda: not harness.desk.queue_status().drawing)
            clock.advance(days=1)
            await maintenance.tidy(harness.store, tmp_path, harness.expiry(30), clock())
            for table, count in (await rows_of(harness)).items():
                most[table] = max(count, most.get(table, 0))
        assert (await harness.store.survey()).is_sound
    assert most.pop("job") == 300  # history and money are kept for ever
    assert max(most.values()) <= 5 * 15, most


async def test_an_origin_stays_while_its_event_waits_to_be_handled_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness, harness.running():
        await harness.desk.store_events(Platform.CONSOLE, [("1", "{}")])
        first = await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        await harness.chat.wait_for_results(1)
        clock.advance(days=40)
        await maintenance.tidy(harness.store, tmp_path, harness.expiry(30), clock())
        again = await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        assert isinstance(first, Receipt)
        assert isinstance(again, Receipt)
        assert (again.job_id, again.repeated) == (first.job_id, True)
        assert (await harness.store.survey()).is_sound


async def test_refusals_are_kept_as_long_as_statistics_reach_back(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness:
        statistics, hour = harness.store.statistics, clock() // maintenance.HOUR_MS
        first = hour - 90 * 24
        await statistics.add_refusals({(first - 1, "Banned"): 1, (first, "Banned"): 2, (hour, "Banned"): 4})
        await maintenance.tidy(harness.store, tmp_path, harness.expiry(30), clock())
        assert await statistics.refusals(0) == (("Banned", 6),)
        shown = await harness.desk.handle(ShowStatistics(90), a_context("1", HOST))
        assert isinstance(shown, StatisticsShown)
        assert shown.refusals == (("Banned", 6),)


async def test_settings_that_were_read_from_a_file_are_forgotten_a_month_after_the_last_time(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness:
        finding = harness.store.finding
        old = await finding.add_settings("AAAA", '{"prompt": "old"}', clock())
        again = await finding.add_settings("BBBB", '{"prompt": "again"}', clock())
        clock.advance(days=20)
        assert await finding.add_settings("CCCC", '{"prompt": "again"}', clock()) == again
        clock.advance(days=20)
        await maintenance.tidy(harness.store, tmp_path, harness.expiry(30), clock())
        assert await finding.settings_of_code(old) is None
        assert await finding.settings_of_code(again) == '{"prompt": "again"}'


async def test_an_undelivered_result_keeps_its_row_and_its_pictures(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness:
        async with harness.running():
            harness.chat.errors.extend([ConnectionError("a test's")] * 100)
            await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
            await until(lambda: bool(harness.picture_files))
            await until(lambda: not harness.desk.queue_status().drawing)
        clock.advance(days=40)
        await maintenance.tidy(harness.store, tmp_path, harness.expiry(30), clock())
        assert (await rows_of(harness))["outbox"] == 1
        assert len(harness.picture_files) == 1


async def test_the_newest_copies_of_the_database_stay(tmp_path: Path) -> None:
    names = [f"sugarbot.db.v{version:04d}.backup" for version in range(3, 7)]
    names += [f"sugarbot.db.2026110{day}-120000.aside" for day in range(1, 5)]
    for number, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_000 + number % 4, 1_000 + number % 4))
    (tmp_path / "sugarbot.db.of mine.aside").touch()
    async with open_harness(tmp_path) as harness:
        await maintenance.tidy(harness.store, tmp_path, harness.expiry(0), FakeClock()())
    left = {name for name in os.listdir(tmp_path) if name.endswith((".backup", ".aside"))}
    assert left == {*names[2:4], *names[6:], "sugarbot.db.of mine.aside"}


async def test_a_tidying_that_fails_is_tried_again_the_next_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "TIDY_EVERY_S", 0.01)
    faults, tidied = [ZeroDivisionError("a test's")], list[int]()

    async def faulty(*given: object) -> None:
        if faults:
            raise faults.pop()
        tidied.append(1)

    monkeypatch.setattr(maintenance, "tidy", faulty)
    async with open_harness(tmp_path) as harness:
        daily = maintenance.tidy_daily(harness.store, tmp_path, harness.expiry(30), harness.clock)
        task = asyncio.create_task(daily)
        await until(lambda: len(tidied) > 1)
        task.cancel()
        await asyncio.wait({task})


def modes_in(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in (folder, *folder.rglob("*"))}


def test_an_earlier_version_s_files_become_private_once(tmp_path: Path) -> None:
    data, outside = tmp_path / "var", tmp_path / "outside"
    names = [
        "sugarbot.db", "sugarbot.db-wal", "sugarbot.db.lock", "sugarbot.db.v0001.backup", "cost.json",
        "discord-starts.json", "discord-menu.sha256", "backups/sugarbot-20260101-000000.db",
        "pictures/1m3250v00shy4w7c-0.png", f"pictures/ab/{'ab' * 32}.png", "bench/article.json",
    ]  # fmt: skip
    others = ["notes.txt", "models/weights.safetensors", "loras/sugar.safetensors"]
    outside.mkdir()
    for name in [f"var/{name}" for name in (*names, *others)] + ["outside/sugarbot-20260101-000000.db"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    for folder in (data, outside, *(path for path in data.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    (data / "sugarbot.db.v0002.backup").symlink_to(outside / "sugarbot-20260101-000000.db")
    with structlog.testing.capture_logs() as logs:
        maintenance.make_private(data)
        maintenance.make_private(data)
    assert {oct(stat.S_IMODE((data / name).stat().st_mode)) for name in names} == {"0o600"}
    assert {oct(stat.S_IMODE((data / name).stat().st_mode)) for name in others} == {"0o644"}
    folders = (data, *(path for path in data.rglob("*") if path.is_dir()))
    assert {oct(stat.S_IMODE(folder.stat().st_mode)) for folder in folders} == {"0o700"}
    assert set(modes_in(outside).values()) == {"0o755", "0o644"}
    assert [(log["entries"], log["folder"]) for log in logs] == [(len(names) + 7, str(data))]


@pytest.mark.parametrize("names", [["notes.txt"], ["backups/", "Documents/"], ["models/", ".bashrc"]])
def test_a_folder_of_other_files_is_refused_before_anything_changes(names: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in names:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).mkdir() if name.endswith("/") else (home / name).touch()
        (home / name).chmod(0o755)
    home.chmod(0o755)
    before = modes_in(home)
    with pytest.raises(DataFolderForeign) as caught:
        maintenance.make_private(home)
    assert caught.value.facts == {"path": str(home)}
    assert modes_in(home) == before


@pytest.mark.parametrize("mode", [0o1777, 0o1757])
def test_a_folder_that_everybody_may_write_to_is_refused(mode: int, tmp_path: Path) -> None:
    (tmp_path / "sugarbot.db").touch(0o644)  # anybody may have put it there
    tmp_path.chmod(mode)
    before = modes_in(tmp_path)
    with pytest.raises(DataFolderForeign):
        maintenance.make_private(tmp_path)
    assert modes_in(tmp_path) == before


@pytest.mark.parametrize(("owner", "is_refused"), [(0, False), (4_242, True)])
def test_another_person_s_folder_is_refused_and_the_system_s_is_not(
    owner: int, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance.os, "geteuid", lambda: 1_000)
    found = list(tmp_path.stat())
    found[stat.ST_UID] = owner
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result(found))
    assert maintenance.is_foreign(tmp_path) is is_refused


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["lost+found", ".gitkeep", ".DS_Store", ".env"],
        ["loras", "models"],
        ["sugarbot.toml", "sugarbot.toml.bak", "tokens.env", "password", "out", "bot.log"],
        ["claim.json", "notes.txt"],
        ["sugarbot.db.lock", "notes.txt"],
    ],
)
def test_a_new_folder_and_one_with_our_files_are_used(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    maintenance.require_own(tmp_path)
    maintenance.require_own(tmp_path / "missing")


def test_a_linked_pictures_folder_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "elsewhere").chmod(0o755)
    (tmp_path / "var").mkdir(mode=0o700)
    (tmp_path / "var" / "pictures").symlink_to(tmp_path / "elsewhere")
    maintenance.make_private(tmp_path / "var")
    assert modes_in(tmp_path / "elsewhere") == {"elsewhere": "0o755"}


def test_half_written_files_of_a_crash_are_removed_at_the_start(tmp_path: Path) -> None:
    database = ["sugarbot.db.part", "sugarbot.db.abcd1234.part", "sugarbot.db.abcd1234.part-wal"]
    drafts = [
        *database,
        "sugarbot.db.v0001.backup.part",
        "cost.json.abcd1234.part",
        "discord-starts.json.part",
        "pictures/1m3250v00shy4w7c-0.png.part",
        "pictures/1m3250v00shy4w7c-1.png.abcd1234.part",
        f"pictures/ab/{'ab' * 32}.png.abcd1234.part",
        f"lora-versions/{'a' * 64}.safetensors.abcd1234.part",
        "backups/sugarbot-20260101-000000.part",
        "backups/sugarbot-20260101-000000.db.abcd1234.part",
    ]
    others = [
        "film.part",
        "pictures/film.part",
        "pictures/ab/film.part",
        "sugarbot.db",
        "backups/sugarbot-20260101-000000.db",
    ]
    young = "backups/sugarbot-20260102-000000.db.abcd1234.part"  # another process may be writing it
    for name in (*drafts, *others, young):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1) if name != young else None)
    maintenance.remove_leftovers(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*others, young}
