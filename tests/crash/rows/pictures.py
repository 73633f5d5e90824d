"""Rows of picture files that several people share."""

import asyncio
import shutil
import signal
import sqlite3
import time
from collections.abc import Awaitable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from bot.commands.values import Delete, Draw
from bot.desk import maintenance
from bot.desk.retention import originals
from bot.desk.retention.originals import OriginalsRetention
from bot.errors import PersonError
from bot.outcomes import CommandContext, Receipt
from bot.policy.rules import Rules
from bot.settings.sections import StorageSettings
from tests.crash.harness import begin
from tests.crash.laws import broken_laws_of
from tests.crash.pictures_on_disk import broken_files
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness
from tests.fakes.pictures import file_name_of
from tests.fakes.renderer import FakeRenderer

RULES = Rules(daily_credits=10_000, max_waiting=1_000)
PEOPLE, SHARED_SEEDS = ("ann", "ben", "cid"), (1, 2, 3)
LIVES = 3  # of one folder, each of which is killed
MAX_LIFE_S = 0.6
STEP_S = 0.001
KEEP_DAYS = 2
RENAMED = 4  # in each life: a process lives as long as a few more
MOST_FOLDERS = 10  # as many as wanted, with longer lives, where too little happens in the first ones


def shared_pictures(scale: Scale) -> Measured:
    """Kill a process while people draw and delete equal pictures, and while they are renamed and expire."""
    random, wrong, kills, rows = Random(51), list[str](), 0, [0, 0, 0]
    wanted = scale.of(4, 100)
    for number in range(MOST_FOLDERS * wanted):
        if number >= wanted and all(rows):
            break
        folder = scale.folder / str(number)
        folder.mkdir()
        for life in range(LIVES):
            process = begin(_live, folder, number * LIVES + life)
            time.sleep(random.uniform(0, MAX_LIFE_S * (1 + number // wanted)))
            process.kill()
            process.join()
            kills += 1
            if process.exitcode != -signal.SIGKILL:
                wrong.append(f"a process ended with {process.exitcode}")
        asyncio.run(_finish(folder))
        wrong += [*broken_files(folder), *broken_laws_of(folder)]
        rows = [total + count for total, count in zip(rows, _counts(folder), strict=True)]
    figures = (
        f"{kills:,} kills, {rows[0]:,} jobs, of which {rows[1]:,} were deleted and {rows[2]:,} have expired: "
        f"{len(wrong)} files too many, missing or damaged, or laws broken"
    )
    return Measured(figures + (f": {wrong[0]}" if wrong else ""), not wrong and all(rows))


def _live(folder: Path, seed: int, ready: Connection) -> None:
    clock = FakeClock()
    clock.advance(days=1_000 * (seed % LIVES))  # the earlier lives are long ago
    originals.make_preview = lambda png: png[:-1] if len(png) % 2 else None
    originals.LOOK_EVERY_S = 0.01
    maintenance.remove_leftovers(folder)
    asyncio.run(_use(folder, Random(seed), clock, ready))


async def _use(folder: Path, random: Random, clock: FakeClock, ready: Connection) -> None:
    async with open_harness(folder, rules=RULES, clock=clock) as harness, harness.running():
        for person in PEOPLE:
            await _draw(harness, random, person)
        await harness.chat.wait_for_results(len(PEOPLE))
    _give_earlier_names(folder, random)
    renderer = FakeRenderer(step_s=STEP_S)
    async with (
        open_harness(folder, rules=RULES, renderer=renderer, clock=clock) as harness,
        harness.running(),
        asyncio.TaskGroup() as group,
    ):
        ready.send("ready")
        for person in PEOPLE:
            group.create_task(_draw_and_delete(harness, Random(random.random()), person))
        group.create_task(_let_expire(harness))
        group.create_task(_retention(harness).run())


async def _draw_and_delete(harness: DeskHarness, random: Random, person: str) -> None:
    while True:
        await _draw(harness, random, person)
        await asyncio.sleep(random.uniform(0, 0.1))
        rows = await harness.store._run(
            "SELECT job.id FROM job JOIN identity ON identity.person = job.person "
            "WHERE ended_ms IS NOT NULL AND deleted_ms IS NULL AND user_id = :user",
            {"user": person},
        )
        if rows and random.random() < 0.2:
            await _try(harness.desk.handle(Delete(random.choice(rows)["id"]), _by(person, random)))


async def _draw(harness: DeskHarness, random: Random, person: str) -> None:
    seed = random.choice((*SHARED_SEEDS, random.getrandbits(32)))
    receipt = await harness.desk.handle(Draw("a face", seed=seed), _by(person, random))
    assert isinstance(receipt, Receipt)


def _by(person: str, random: Random) -> CommandContext:
    return a_context(f"{person} {random.getrandbits(64)}", person)


async def _try(work: Awaitable[object]) -> None:
    try:
        await work
    except PersonError:  # it was deleted meanwhile
        return


async def _let_expire(harness: DeskHarness) -> None:
    while True:
        harness.clock.advance(days=1)
        await harness.expiry(KEEP_DAYS).tidy(harness.clock())
        await asyncio.sleep(0.002)


def _retention(harness: DeskHarness) -> OriginalsRetention:
    return OriginalsRetention(
        store=harness.store,
        loose_files=harness.desk.parts.loose_files,
        space=harness.desk.parts.space,
        settings=lambda: StorageSettings(keep_originals_days=1),
        clock=harness.clock,
    )


def _give_earlier_names(folder: Path, random: Random) -> None:
    """Leave the files of some pictures as an earlier version would have; the newest stay."""
    pictures = folder / "pictures"
    with closing(sqlite3.connect(folder / "sugarbot.db")) as connection, connection:
        query = "SELECT job, idx, sha256 FROM picture WHERE sha256 <> '' AND earlier_name = ''"
        rows = connection.execute(query).fetchall()
        for job, idx, sha256 in rows:
            if random.random() < RENAMED / len(rows):
                name, is_hashed, loose = f"{job}-{idx}.png", random.random() < 0.5, file_name_of(sha256)
                shutil.copyfile(pictures / loose, pictures / name)
                connection.execute(
                    "UPDATE picture SET earlier_name = ?, sha256 = ? WHERE job = ? AND idx = ?",
                    (name, sha256 if is_hashed else "", job, idx),
                )
                connection.execute("INSERT INTO loose_file VALUES (?) ON CONFLICT DO NOTHING", (loose,))


async def _finish(folder: Path) -> None:
    """Let the next process finish, and rename what has an earlier name."""
    maintenance.remove_leftovers(folder)
    async with open_harness(folder, rules=RULES) as harness:
        async with harness.running(), asyncio.timeout(30):
            while await _unfinished(harness):  # noqa: ASYNC110 - the desk sends no signal
                await asyncio.sleep(0.005)
        await harness.expiry(0).tidy(harness.clock())
        await harness.desk.parts.deletion.delete_files()
        assert not await harness.store.pictures.with_earlier_names("", 1)
        assert not await harness.store.pictures.loose()


async def _unfinished(harness: DeskHarness) -> int:
    [(count,)] = await harness.store._run(
        "SELECT (SELECT count(*) FROM job WHERE ended_ms IS NULL)"
        " + (SELECT count(*) FROM outbox WHERE state <> 'sent')"
    )
    return int(count)


def _counts(folder: Path) -> tuple[int, int, int]:
    """Return how many jobs there are, were deleted, and have expired."""
    with closing(sqlite3.connect(folder / "sugarbot.db")) as connection:
        [(jobs, deleted)] = connection.execute("SELECT count(*), count(deleted_ms) FROM job")
        [(expired,)] = connection.execute("SELECT count(*) FROM picture WHERE form = 'expired'")
    return jobs, deleted, expired


ROWS = (
    Row(
        "51",
        "kill -9 while people draw and delete equal pictures, and while these are renamed, shrunk and expire",
        "300 kills: each picture has its whole file, and no file stays that no picture names",
        shared_pictures,
    ),
)
