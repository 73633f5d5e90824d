"""Kill a process again and again at random moments, let it finish once, and check what must hold then.

``Harness(life, folder)`` runs ``life(folder, seed, events, ready, fault)`` in a process of its own. Processes
come from a fork server that has imported everything before, so a life costs milliseconds, not a second.
"""

import multiprocessing
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image


@dataclass(frozen=True)
class Finding:
    """What stands in the folder when all is over."""

    jobs: int
    told_again: int
    broken_laws: tuple[str, ...]


class Harness:
    """Many lives on one folder.

    Args:
        life: Runs until everything is done; importable from its module.
        events: How many messages the platform has; enough that no life finishes before its kill.
        span_s: Kills come uniformly within this time after a life said that it is ready.
    """

    def __init__(
        self, life: Callable[..., None], folder: Path, *, events: int, span_s: float = 0.2, fault: str = ""
    ) -> None:
        self._life = life
        self._folder = folder
        self._events = events
        self._span_s = span_s
        self._fault = fault
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([life.__module__])

    def kill(self, times: int, seed: int = 1) -> int:
        """Start and kill this many lives; how many the kill really met alive."""
        random, met = Random(seed), 0
        for turn in range(times):
            process = self._start(seed * 1_000 + turn)
            time.sleep(random.uniform(0, self._span_s))
            process.kill()
            process.join()
            met += process.exitcode == -signal.SIGKILL
        return met

    def finish(self, timeout_s: float = 60) -> bool:
        """Let one life do all that is left; whether it came to its end."""
        process = self._start(0)
        process.join(timeout_s)
        if process.is_alive():
            process.kill()
            process.join()
        return process.exitcode == 0

    def find(self) -> Finding:
        """Check the laws on what is on the disk."""
        connection = sqlite3.connect(self._folder / "sugarbot.db")
        try:
            told = Counter(line.split()[0] for line in self._lines("told.log"))
            laws = [*broken_laws(connection), *self._broken_promises(connection, told)]
            [(jobs,)] = connection.execute("SELECT count(*) FROM job")
        finally:
            connection.close()
        return Finding(jobs, told.total() - len(told), tuple(laws))

    def _start(self, seed: int) -> multiprocessing.process.BaseProcess:
        heard, ready = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=self._life, args=(self._folder, seed, self._events, ready, self._fault), daemon=True
        )
        process.start()
        ready.close()
        with heard:
            try:
                heard.recv()
            except EOFError:
                process.join()  # it ended before it was ready; its exit code tells
        return process

    def _lines(self, name: str) -> list[str]:
        return (self._folder / name).read_text(encoding="utf-8").splitlines()

    def _broken_promises(self, connection: sqlite3.Connection, told: Counter[str]) -> list[str]:
        """What people were told against what is there."""
        origins = dict(connection.execute("SELECT event_id, job FROM origin"))
        confirmed = [line.split() for line in self._lines("confirmed.log")]
        broken = [f"lost: {event}" for event, job in confirmed if origins.get(f"event {event}") != job]
        broken += [f"never told: {job}" for job in origins.values() if not told[job]]
        for job, name in connection.execute("SELECT job, file_name FROM picture"):
            try:
                with Image.open(self._folder / "pictures" / name) as picture:
                    picture.load()
            except OSError:
                broken.append(f"no whole picture: {job}")
        return broken


LAWS = {
    "a job without its one origin": "SELECT id FROM job "
    "WHERE (SELECT count(*) FROM origin WHERE origin.job = job.id) <> 1",
    "a job that did not end": "SELECT id FROM job WHERE ended_ms IS NULL",
    "an ended job without its one sent parcel": "SELECT id FROM job "
    "WHERE (SELECT count(*) FROM outbox WHERE outbox.job = job.id AND outbox.state = 'sent') <> 1",
    "a done job without all its pictures": "SELECT id FROM job "
    "WHERE state = 'done' AND (SELECT count(*) FROM picture WHERE picture.job = job.id) <> count",
    "charges minus refunds are not the pictures": "SELECT id FROM job "
    "WHERE (SELECT coalesce(-sum(credits), -1) FROM ledger WHERE ledger.job = job.id) "
    "<> (SELECT count(*) FROM picture WHERE picture.job = job.id)",
    "credits that the ledger does not explain": "SELECT person FROM account WHERE credits <> "
    "(SELECT coalesce(sum(credits), 0) FROM ledger WHERE ledger.person = account.person)",
    "a person without an account": "SELECT id FROM person WHERE id NOT IN (SELECT person FROM account)",
    "a person nobody knows": "SELECT id FROM person WHERE id NOT IN (SELECT person FROM identity)",
    "a row without its parent": "SELECT * FROM pragma_foreign_key_check",
    "a damaged page": "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
}
"""What must select nothing once everything is over; a picture costs one credit in these tests."""


def broken_laws(connection: sqlite3.Connection) -> list[str]:
    """Each law of the database that does not hold, with the first row against it."""
    broken = []
    for law, against in LAWS.items():
        if rows := connection.execute(against).fetchall():
            broken.append(f"{law}: {len(rows)} times, first {rows[0]}")
    return broken
