"""The invariants of the protocol, checked at the end: on the disk, and in the messages that people saw."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bot.desk.results import MAX_ATTEMPTS
from tests.crash.pictures_on_disk import broken_files

LAWS = {
    "a job without its one origin": "SELECT id FROM job "
    "WHERE (SELECT count(*) FROM origin WHERE origin.job = job.id) <> 1",
    "a job that did not end": "SELECT id FROM job WHERE ended_ms IS NULL",
    "a job with too many attempts": "SELECT id FROM job WHERE attempt > 3",
    "an ended job without its one sent result": "SELECT id FROM job "
    "WHERE (SELECT count(*) FROM outbox WHERE outbox.job = job.id AND outbox.state = 'sent') <> 1",
    "a done job without all its pictures": "SELECT id FROM job "
    "WHERE state = 'done' AND deleted_ms IS NULL "
    "AND (SELECT count(*) FROM picture WHERE picture.job = job.id) <> count",
    "a job not charged once, or refunded twice": "SELECT id FROM job "
    "WHERE (SELECT count(*) FROM ledger WHERE ledger.job = job.id AND kind = 'charge') <> 1 "
    "OR (SELECT count(*) FROM ledger WHERE ledger.job = job.id AND kind = 'refund') > 1",
    "charges minus refunds are not the pictures": "SELECT id FROM job "
    "WHERE (SELECT coalesce(-sum(credits), -1) FROM ledger WHERE ledger.job = job.id) "
    "<> (SELECT count(*) FROM picture WHERE picture.job = job.id) AND deleted_ms IS NULL",
    "credits that the ledger does not explain": "SELECT person FROM account WHERE credits <> "
    "(SELECT coalesce(sum(credits), 0) FROM ledger WHERE ledger.person = account.person)",
    "a picture whose LoRA has no record of its use": "SELECT job.id FROM job, json_each(job.loras) AS lora "
    "WHERE job.id IN (SELECT job FROM picture) AND NOT EXISTS (SELECT 1 FROM lora_use "
    "WHERE lora_use.job = job.id AND lora_use.sha256 = lora.value ->> 'sha256' "
    "AND lora_use.person = job.person)",
    "a recorded use without pictures": "SELECT job FROM lora_use "
    "WHERE pictures <> (SELECT count(*) FROM picture WHERE picture.job = lora_use.job)",
    "a picture of a LoRA that was taken back": "SELECT id FROM job "
    "WHERE fail = 'lora_withdrawn' AND id IN (SELECT job FROM picture)",
    "a person without an account": "SELECT id FROM person WHERE id NOT IN (SELECT person FROM account)",
    "a person without an identity": "SELECT id FROM person WHERE id NOT IN (SELECT person FROM identity)",
    "a stored message that was never answered": "SELECT event_id FROM inbox WHERE settled = 0",
    "a row without its parent": "SELECT * FROM pragma_foreign_key_check",
    "a damaged page": "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
}
"""Law → query that must find no row at the end; a picture costs one credit in these tests."""

UNFINISHED = (
    "SELECT (SELECT count(*) FROM job WHERE ended_ms IS NULL)"
    " + (SELECT count(*) FROM outbox WHERE state NOT IN ('sent', 'kept'))"
)
"""How many jobs are to be drawn, and how many results are to be delivered."""

SEEN_TWICE = "shown in two messages or with two contents"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of a folder at the end.

    Attributes:
        edited_again: Repeated edits of a message that already had this content; people do not see them.
        sent_again: Second messages of a job: the only duplicates that people see.
        broken_laws: One line each; empty if everything holds.
    """

    jobs: int
    edited_again: int
    sent_again: int
    broken_laws: tuple[str, ...]

    @property
    def seen_twice(self) -> int:
        """Jobs that people saw in two messages, or with two contents."""
        return sum(law.startswith(SEEN_TWICE) for law in self.broken_laws)


def find(folder: Path) -> Finding:
    """Check everything in the folder of a harness."""
    connection = sqlite3.connect(folder / "sugarbot.db")
    try:
        shown = _shown(folder)
        broken = [*broken_laws(connection), *_broken_by_messages(folder, connection, shown)]
        [(jobs,)] = connection.execute("SELECT count(*) FROM job")
    finally:
        connection.close()
    edits = [sum(message != "a-new-message" for message, _ in lines) for lines in shown.values()]
    sends = [sum(message == "a-new-message" for message, _ in lines) for lines in shown.values()]
    return Finding(
        jobs,
        sum(max(0, count - 1) for count in edits),
        sum(max(0, count - 1) for count in sends),
        tuple(broken),
    )


def broken_laws_of(folder: Path) -> list[str]:
    """Return the broken laws of the database in this folder."""
    connection = sqlite3.connect(folder / "sugarbot.db")
    try:
        return broken_laws(connection)
    finally:
        connection.close()


def broken_laws(connection: sqlite3.Connection) -> list[str]:
    """Return each law of the database that does not hold, with the first row that breaks it."""
    broken = []
    for law, against in LAWS.items():
        if rows := connection.execute(against).fetchall():
            broken.append(f"{law}: {len(rows)} times, first {rows[0]}")
    return broken


def _lines(folder: Path, name: str) -> list[list[str]]:
    log = folder / name
    return [line.split() for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def _shown(folder: Path) -> dict[str, list[tuple[str, str]]]:
    shown: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for job, message, content in _lines(folder, "shown.log"):
        shown[job].append((message, content))
    return shown


def _broken_by_messages(
    folder: Path, connection: sqlite3.Connection, shown: dict[str, list[tuple[str, str]]]
) -> list[str]:
    """Compare what people saw with what is stored; return the differences."""
    broken = [" ".join(words) for words in _lines(folder, "wrong.log")]
    origins = dict(connection.execute("SELECT event_id, job FROM origin"))
    answers = _lines(folder, "answered.log")
    answered = {event for event, _ in answers}
    broken += [f"lost: message {event}" for event, job in answers if job not in ("-", origins.get(event))]
    broken += [
        f"confirmed and never answered: message {event}"
        for (event,) in _lines(folder, "confirmed.log")
        if event not in answered
    ]
    answers_by_event: dict[str, set[str]] = defaultdict(set)
    for event, answer in _lines(folder, "withdrawn.log"):
        answers_by_event[event].add(answer)
    broken += [
        f"answered in different ways: {event} {different}"
        for event, different in answers_by_event.items()
        if len(different) > 1
    ]
    broken += [f"never shown: {job}" for job in origins.values() if job not in shown]
    for job, lines in shown.items():
        messages = {message for message, _ in lines} - {"a-new-message"}
        if len(messages) > 1 or len({content for _, content in lines}) > 1:
            broken.append(f"{SEEN_TWICE}: {job} {lines}")
    kills = [job for (job,) in _lines(folder, "poison.log")]
    broken += [f"poison drawn again: {job}" for job in set(kills) if kills.count(job) > MAX_ATTEMPTS]
    return broken + broken_files(folder)
