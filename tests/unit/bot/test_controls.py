"""The controls under each kind of answer: which there are, in rows that every platform can show."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.commands.buttons import EXAMPLE_PROMPT, HASH_CHARS, data_of, press_of
from bot.commands.values import Draw, LoraInfo, LoraList, LoraSwitch, LoraWish
from bot.messages import LOCALES, button_label
from bot.outcomes import (
    MOST_IN_ROW,
    Axis,
    ControlStyle,
    HistoryEntry,
    JobState,
    LoraFileFacts,
    LoraListing,
    LoraState,
    Offers,
    PickedPicture,
    PictureFile,
    QueuedJob,
    QueueListing,
    ReportedJob,
    ReportListing,
    Service,
    Sheet,
    SheetAxis,
    Who,
    controls_of,
)
from tests.unit.bot.chats.making import JOB, LORA, make_receipt, make_recipe, make_result, make_status

ONE, FOUR = ((Path("0.png"),), tuple(Path(f"{index}.png") for index in range(4)))
ALL = Offers(enlarge=True, publish=True, report=True)
PICTURE = PictureFile(2, 9, Path("2.png"))
SHEET = replace(make_recipe(), sheet=Sheet(False, None, SheetAxis(Axis.SEED, ("1",)), (0,), (), 64, 64))
REFUSED = replace(LORA.lora, sha256="", state=LoraState.REFUSED)


def queued(job_id: str) -> QueuedJob:
    return QueuedJob(job_id, Who("discord:1"), 1, 64, 64, 1, (), 0)


WHOLE = ["reroll", "repeat", "edit", "original"]


@pytest.mark.parametrize(
    ("answer", "rows"),
    [
        (make_receipt(), [["cancel"]]),
        (make_status(), [["cancel"]]),
        (make_result(state=JobState.FAILED, paths=()), [["reroll", "edit"]]),
        (make_result(state=JobState.CANCELLED, paths=()), [["reroll", "edit"]]),
        (make_result(state=JobState.FAILED, paths=(), recipe=SHEET), [["reroll"]]),  # it has no one text
        (make_result(paths=(), is_deleted=True), []),
        (make_result(paths=ONE), [["vary", "vary-strong"], WHOLE, ["star", "delete"]]),
        (
            make_result(paths=ONE, offers=ALL),
            [["vary", "vary-strong", "larger"], WHOLE, ["publish", "star", "delete", "report"]],
        ),
        (
            make_result(paths=FOUR, offers=ALL),
            [4 * ["pick"], 4 * ["vary-one"], WHOLE, ["publish", "star", "delete", "report"]],
        ),
        (
            PickedPicture(JOB, PICTURE, make_recipe(), offers=Offers(enlarge=True)),
            [["vary", "vary-strong", "larger"], WHOLE, ["star", "delete"]],
        ),
        (HistoryEntry(JOB, JobState.DONE, make_recipe()), [["reroll", "original", "star"]]),
        (
            QueueListing(tuple(map(queued, "abcde")), 1, Service(), 2),
            [4 * ["cancel-job"], ["cancel-job"], ["previous-page", "next-page"]],
        ),
        (QueueListing((queued("a"), queued("b")), 0, Service(), cancelled="a"), [["cancel-job"]]),
        (LoraListing((), ""), []),
        (
            LoraListing((LORA.lora, REFUSED, *6 * (LORA.lora,)), "", "sugar", page=2, pages=3, total=60),
            [5 * ["lora"], 2 * ["lora"], ["previous-page", "next-page"]],
        ),
        (LORA, [["example", "default"]]),
        (replace(LORA, facts=None), [["example"]]),  # not a host
        (replace(LORA, is_default=True), [["example"]]),
        (
            ReportListing(tuple(ReportedJob(f"j{n}", "", "", "", 0, 1) for n in range(2))),
            2 * [["original", "delete"]],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_answer_has_its_controls_in_rows_that_fit(answer: Any, rows: list[list[str]]) -> None:
    found = defaultdict(list)
    for control in controls_of(answer):
        found[control.row].append(control.label)
        assert len(data_of(control.command)) <= 64
        assert all(
            button_label(control.label, locale, number=control.number, name=control.name)
            for locale in LOCALES
        )
    assert [found[row] for row in range(len(found))] == rows
    assert all(len(row) <= MOST_IN_ROW for row in rows)


def test_controls_name_the_picture_that_they_mean() -> None:
    controls = controls_of(make_result(paths=FOUR))
    numbered = [control for control in controls if control.number is not None]
    assert [control.number for control in numbered] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [getattr(control.command, "index", None) for control in numbered] == [0, 1, 2, 3, 0, 1, 2, 3]
    [varied] = [
        each for each in controls_of(PickedPicture(JOB, PICTURE, make_recipe())) if each.label == "vary"
    ]
    assert data_of(varied.command) == f"v2:vary:{JOB}:2"


def test_what_cannot_be_undone_looks_dangerous() -> None:
    styles = {each.label: each.style for each in controls_of(make_result(paths=ONE, offers=ALL))}
    assert styles["delete"] is ControlStyle.DANGER
    assert styles["publish"] is ControlStyle.PRIMARY
    assert controls_of(make_receipt())[0].style is ControlStyle.DANGER


def test_the_controls_of_a_list_of_loras_turn_its_pages_and_show_one() -> None:
    listing = LoraListing((LORA.lora,), "", "sugar", page=2, pages=3, total=60)
    about, *turning = controls_of(listing)
    assert (about.name, about.command) == (LORA.lora.name, LoraInfo("#" + LORA.lora.sha256))
    assert [each.command for each in turning] == [LoraList("sugar", 1), LoraList("sugar", 3)]


def test_the_controls_of_a_lora_name_its_content_and_work_without_its_name() -> None:
    commands = [
        press_of(data_of(each.command)) for each in controls_of(replace(LORA, facts=LoraFileFacts(1, 8, "")))
    ]
    lora = LoraWish("#" + "a" * HASH_CHARS)
    assert commands == [Draw(EXAMPLE_PROMPT, loras=(lora,)), LoraSwitch(lora)]
