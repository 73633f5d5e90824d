"""What was stated about a content outlives its name; only another statement changes it."""

from dataclasses import replace
from typing import Any

import pytest

from bot.desk.loras.statements import Statements
from bot.store.rows import StatedRow
from engine.request import FileStamp
from engine.shelf import LoraFile, Sidecar
from tests.unit.bot.desk.loras.consenting import a_lora

CLOSED = Sidecar(depicts_person=True, owner="discord:1", people=frozenset({"discord:2"}))
OPEN = Sidecar()


def a_face(name: str = "face", *, is_written: bool = True, **stated: Any) -> LoraFile:
    """A file of one content, with a sidecar unless it is not written."""
    stamp = FileStamp(1, 1, 1, 1) if is_written else None
    return replace(a_lora(name, **stated), sha256="f" * 64, sidecar_stamp=stamp)


FACE = replace(a_face(), sidecar=replace(CLOSED, trigger="a face"))


def rights(statements: Statements) -> dict[str, Sidecar]:
    return {row.name: row.sidecar for row in statements.of_content("f" * 64)}


def test_a_statement_is_kept_without_what_is_no_right_and_once() -> None:
    statements = Statements()
    for _ in range(2):
        statements.learn([FACE])
    assert statements.unsaved == [StatedRow("face", "f" * 64, CLOSED)]
    assert rights(statements) == {"face": CLOSED}
    assert rights(Statements(statements.unsaved)) == {"face": CLOSED}


@pytest.mark.parametrize("name", ["face", "FACE", "other"])
def test_a_file_without_a_sidecar_states_nothing(name: str) -> None:
    statements = Statements([StatedRow("face", "f" * 64, CLOSED)])
    statements.learn([a_face(name, is_written=False)])
    assert rights(statements)["face"] == CLOSED


def test_a_host_opens_a_lora_by_a_sidecar_that_closes_nothing() -> None:
    statements = Statements([StatedRow("face", "f" * 64, CLOSED)])
    statements.learn([a_face()])
    assert rights(statements) == {"face": OPEN}
    assert statements.unsaved == [StatedRow("face", "f" * 64, OPEN)]


def test_a_sidecar_of_a_copy_that_closes_nothing_opens_nothing() -> None:
    statements = Statements([StatedRow("face", "f" * 64, CLOSED)])
    statements.learn([a_face("copy", titles={"en": "A copy"})])
    assert rights(statements) == {"face": CLOSED, "copy": OPEN}


def test_of_names_that_have_left_the_newest_statement_counts() -> None:
    statements = Statements([StatedRow("face", "f" * 64, CLOSED)])
    others = frozenset({"discord:3"})
    statements.learn([a_face("renamed", people=others)])
    assert rights(statements) == dict.fromkeys(("face", "renamed"), Sidecar(people=others))
    statements.learn([a_face("renamed")])  # the host has deleted that line
    assert rights(statements) == dict.fromkeys(("face", "renamed"), OPEN)
    assert statements.unsaved[-2:] == [StatedRow(name, "f" * 64, OPEN) for name in ("renamed", "face")]


def test_who_states_only_an_end_does_not_open_what_others_closed() -> None:
    statements = Statements([StatedRow("face", "f" * 64, CLOSED)])
    statements.learn([a_face("renamed")])
    statements.learn([a_face("renamed", expires_ms=1)])
    assert rights(statements)["face"] == CLOSED


def test_a_name_that_is_on_the_shelf_keeps_its_own_statement() -> None:
    statements = Statements()
    statements.learn([FACE, a_face("copy", people=frozenset({"discord:3"}))])
    assert rights(statements)["face"] == CLOSED


def test_every_content_of_a_name_is_known_and_the_newest_one_is_its_last() -> None:
    newer = replace(FACE, sha256="e" * 64, sidecar=replace(CLOSED, people=frozenset()))
    statements = Statements()
    statements.learn([FACE])
    statements.learn([newer])
    assert set(statements.contents_of("Face")) == {"e" * 64, "f" * 64}
    for each in (statements, Statements(statements.unsaved)):
        last = each.last_of("FACE")
        assert last is not None
        assert last.sha256 == "e" * 64
    statements.learn([FACE])  # the host took the old file back
    last = statements.last_of("face")
    assert last is not None
    assert last.sha256 == "f" * 64
    assert statements.last_of("other") is None


def test_a_copy_belongs_to_the_owner_of_its_content() -> None:
    statements = Statements([StatedRow("face", "f" * 64, CLOSED)])
    assert statements.owner_of(a_face("copy", is_written=False)) == "discord:1"
    assert statements.owner_of(a_face("copy", owner="discord:9")) == "discord:9"
    assert statements.owner_of(a_lora("else")) == ""
