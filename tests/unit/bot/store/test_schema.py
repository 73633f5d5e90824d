"""The schema agrees with the code, and refuses what the desk must never store."""

import re
import sqlite3
from collections.abc import Iterator
from enum import StrEnum

import pytest

from bot.commands.prompts.advice import AdviceKind
from bot.outcomes import AlertKind, Derivation, JobState, Platform
from bot.store.hosting.permissions import PermissionKind
from bot.store.rows import GrantKind, LedgerKind, OutboxState, PictureForm
from bot.store.statements import load_statements
from engine.request import MAX_SEED, FailReason
from tests.fakes.desk_harness import MIGRATIONS

JOB = {
    "id": "j", "person": 1, "state": "queued", "accepted_order": 1, "platform": "web", "chat_id": "",
    "ref": "", "locale": "en", "private": 0, "prompt": "p", "loras": "[]", "width_px": 64, "height_px": 64,
    "seed": 1, "count": 1, "steps": 8, "price": 1, "created_ms": 1,
    "typed": "p", "triggers": "[]", "asked_in": "[]",
}  # fmt: skip


@pytest.fixture
def schema() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    for step in sorted(MIGRATIONS.glob("*.sql")):
        connection.executescript(step.read_text(encoding="utf-8"))
    connection.execute("INSERT INTO person VALUES (1, 1)")
    connection.execute("INSERT INTO account (person) VALUES (1)")
    yield connection
    connection.close()


def insert(schema: sqlite3.Connection, table: str, **values: object) -> None:
    marks = ", ".join(f":{name}" for name in values)
    schema.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", values)  # noqa: S608 - our own names


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("job", "state", JobState),
        ("job", "fail", FailReason),
        ("job", "derivation", Derivation),
        ("job", "platform", Platform),
        ("identity", "platform", Platform),
        ("origin", "platform", Platform),
        ("inbox", "platform", Platform),
        ("chat_default", "platform", Platform),
        ("chat_alias", "platform", Platform),
        ("picture_message", "platform", Platform),
        ("ledger", "kind", LedgerKind),
        ("outbox", "state", OutboxState),
        ("lora_grant", "kind", GrantKind),
        ("advice_given", "kind", AdviceKind),
        ("owner_report", "platform", Platform),
        ("permission", "kind", PermissionKind),
        ("picture", "form", PictureForm),
        ("host_action", "platform", Platform),
        ("owner_report", "state", OutboxState),
        ("alert", "kind", AlertKind),
        ("alert_message", "platform", Platform),
        ("alert_message", "state", OutboxState),
    ],
)
def test_the_lists_in_the_checks_equal_the_enums(
    schema: sqlite3.Connection, table: str, column: str, words: type[StrEnum]
) -> None:
    [(sql,)] = schema.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
    listed = re.search(rf"CONSTRAINT {column}_known CHECK \({column} IN \(([^)]*)\)", sql)
    assert listed is not None
    assert re.findall(r"'(\w+)'", listed[1]) == [word.value for word in words]


def test_every_table_is_strict_and_every_check_has_a_name(schema: sqlite3.Connection) -> None:
    for name, sql in schema.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        if name.startswith("job_search"):
            continue  # FTS5 makes its own tables
        assert sql.rstrip().endswith("STRICT"), name
        assert len(re.findall(r"\bCHECK \(", sql)) == len(re.findall(r"CONSTRAINT \w+ CHECK \(", sql)), name


def test_every_migration_says_why_and_leaves_transactions_to_the_store() -> None:
    for step in MIGRATIONS.glob("*.sql"):
        text = step.read_text(encoding="utf-8")
        assert text.startswith("-- Why: ")
        assert not re.search(r"^\s*(BEGIN|COMMIT|PRAGMA)\b", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("state_known", {"state": "doing"}),
        ("lease_when_running", {"state": "running"}),
        ("lease_when_running", {"lease": "us"}),
        ("ended_when_ended", {"state": "done"}),
        ("fail_when_failed", {"state": "failed", "ended_ms": 1}),
        ("fail_known", {"state": "failed", "ended_ms": 1, "fail": "mood"}),
        ("seed_range", {"seed": MAX_SEED + 1}),
        ("seed_range", {"seed": -1}),
        ("id_short", {"id": "x" * 23}),
        ("derivation_known", {"derivation": "stolen", "parent_job": "j"}),
        ("derivation_has_parent", {"derivation": "varied"}),
        ("start_is_whole", {"start_job": "j", "start_index": 0}),
        ("strength_range", {"start_job": "j", "start_index": 0, "start_strength": 1.5}),
        ("deleted_when_ended", {"deleted_ms": 1}),
        ("loras_are_json", {"loras": "sugar"}),
        ("drawable", {"count": 0}),
        ("drawable", {"price": -1}),
        ("flags", {"private": 2}),
        ("FOREIGN KEY", {"person": 2}),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(
    schema: sqlite3.Connection, constraint: str, change: dict[str, object]
) -> None:
    insert(schema, "job", **JOB)
    with pytest.raises(sqlite3.IntegrityError, match=constraint):
        insert(schema, "job", **(JOB | {"id": "k", "accepted_order": 2} | change))


@pytest.mark.parametrize("name", ["take_result", "next_due"])
def test_a_delivery_reads_what_waits_and_not_all_jobs_of_the_past(
    name: str, schema: sqlite3.Connection
) -> None:
    sql = load_statements("jobs.sql")[name]
    values = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    plan = [str(row[3]) for row in schema.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    first = next(step for step in plan if "rowid=?" not in step and step.startswith(("SCAN", "SEARCH")))
    assert " outbox USING INDEX outbox_due" in first


def test_the_queue_is_read_without_the_jobs_of_the_past(schema: sqlite3.Connection) -> None:
    sql = load_statements("jobs.sql")["in_state"]
    [step] = schema.execute(f"EXPLAIN QUERY PLAN {sql}", {"state": "queued"})
    assert str(step[3]) == "SCAN job USING INDEX job_waiting"


def test_a_look_at_old_pictures_asks_about_deliveries_and_starts_of_the_old_ones_alone(
    schema: sqlite3.Connection,
) -> None:
    sql = load_statements("pictures.sql")["before"]
    values = {"before_ms": 1, "forms": "[]", "most": 1}
    plan = [str(row[3]) for row in schema.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    age = next(place for place, step in enumerate(plan) if step.startswith("SEARCH job USING INDEX"))
    others = [place for place, step in enumerate(plan) if step.startswith("CORRELATED")]
    assert len(others) == 2
    assert age < min(others)


def test_a_second_charge_or_refund_of_a_job_is_refused(schema: sqlite3.Connection) -> None:
    insert(schema, "job", **JOB)
    for kind, credits in (("charge", -1), ("refund", 1)):
        entry = {"person": 1, "job": "j", "kind": kind, "credits": credits, "at_ms": 1}
        insert(schema, "ledger", **entry)
        with pytest.raises(sqlite3.IntegrityError, match=r"ledger\.job, ledger\.kind"):
            insert(schema, "ledger", **entry)


@pytest.mark.parametrize(("kind", "credits"), [("charge", 1), ("refund", -1), ("allowance", -1)])
def test_money_moves_only_in_the_direction_of_its_kind(
    schema: sqlite3.Connection, kind: str, credits: int
) -> None:
    insert(schema, "job", **JOB)
    job = None if kind == "allowance" else "j"
    with pytest.raises(sqlite3.IntegrityError, match="sign_of_kind"):
        insert(schema, "ledger", person=1, job=job, kind=kind, credits=credits, at_ms=1)


def test_an_account_is_never_overdrawn(schema: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="credits_never_negative"):
        schema.execute("UPDATE account SET credits = -1")
