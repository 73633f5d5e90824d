"""Every control after a cold start: what its owner gets, somebody else in the chat, and everybody else."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.commands import buttons
from bot.commands.buttons import EXAMPLE_PROMPT, ButtonCommand, data_of, press_of
from bot.commands.values import (
    Adopt,
    Cancel,
    Command,
    Delete,
    Draw,
    DrawRecipe,
    Edit,
    Enlarge,
    Favourite,
    LoraInfo,
    LoraList,
    LoraRevoke,
    LoraSwitch,
    LoraWish,
    Mine,
    Original,
    Pick,
    Publish,
    Repeat,
    Report,
    Reroll,
    Scope,
    ShowQueue,
    Vary,
)
from bot.errors import (
    AlreadyEnded,
    AlreadyPublic,
    HostsOnly,
    NoSheet,
    NoSuchJob,
    NothingToPublish,
    NotInPublic,
    NotYours,
    OwnersOnly,
    OwnJob,
    PersonError,
)
from bot.outcomes import (
    Address,
    CommandContext,
    Deleted,
    EditableText,
    FavouriteSet,
    History,
    LoraDetails,
    LoraListing,
    LoraRevoked,
    LoraSwitched,
    Originals,
    PickedPicture,
    Platform,
    QueueListing,
    Receipt,
    Reported,
)
from bot.policy.rules import Rules
from tests.fakes.desk_harness import (
    HOST,
    SUGAR,
    DeskHarness,
    a_context,
    open_harness,
)

RULES = Rules(max_waiting=99, daily_credits=99)
OWN_CHAT = "ann alone"


def of_jobs(job_id: str) -> dict[str, ButtonCommand]:
    """The buttons that concern a job, by action."""
    return {
        "reroll": Reroll(job_id),
        "repeat": Repeat(job_id),
        "vary": Vary(job_id, 1),
        "vary-strong": Vary(job_id, 1, strong=True),
        "larger": Enlarge(job_id, 1),
        "pick": Pick(job_id, 1),
        "edit": Edit(job_id),
        "original": Original(job_id),
        "publish": Publish(job_id),
        "delete": Delete(job_id),
        "report": Report(job_id),
    }


def command_for(action: str, job_id: str) -> Command:
    """The command of a button of this job, as a press after a restart gives it."""
    return press_of(data_of(of_jobs(job_id)[action]))


@dataclass(frozen=True)
class Case:
    """What a press of each person gives: the class of an outcome or of a refusal.

    Attributes:
        shows: Whether the answer shows what was drawn, so that a group must be allowed to see it.
    """

    action: str
    outcome: type
    shows: bool = True


CASES = (
    Case("reroll", Receipt, shows=False),
    Case("repeat", Receipt, shows=False),
    Case("vary", Receipt, shows=False),
    Case("vary-strong", Receipt, shows=False),
    Case("larger", Receipt, shows=False),
    Case("pick", PickedPicture),
    Case("edit", EditableText),
    Case("original", Originals),
)


async def press(harness: DeskHarness, command: Command, context: CommandContext) -> type:
    try:
        return type(await harness.desk.handle(command, context))
    except PersonError as refusal:
        return type(refusal)


async def drawn(harness: DeskHarness, *, private: bool) -> str:
    """A job of two pictures that was asked for in a group, and has ended."""
    group = replace(
        a_context("asked", chat_id="group"),
        is_group=True,
        private_address=Address(Platform.CONSOLE, OWN_CHAT),
    )
    receipt = await harness.desk.handle(Draw(prompt="a face", count=2, private=private), group)
    assert isinstance(receipt, Receipt)
    async with harness.running():
        await harness.chat.wait_for_results(1)
    return receipt.job_id


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.action)
async def test_every_control_answers_after_a_cold_start(tmp_path: Path, case: Case) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        open_job = await drawn(harness, private=False)
    async with open_harness(tmp_path / "secret", rules=RULES) as harness:
        secret = await drawn(harness, private=True)
    # The processes have ended; a button is all that is left.
    async with open_harness(tmp_path, rules=RULES) as harness:
        command = command_for(case.action, open_job)
        here, elsewhere = {"chat_id": "group"}, {"chat_id": "another group"}
        assert await press(harness, command, a_context("1", "ann", **here)) is case.outcome
        assert await press(harness, command, a_context("2", "ben", **here)) is case.outcome
        assert await press(harness, command, a_context("3", "ben", **elsewhere)) is NotYours
        assert await press(harness, command, a_context("4", HOST, **elsewhere)) is case.outcome
        others = replace(a_context("5", "ann", **elsewhere), is_group=True)
        assert await press(harness, command, others) is (NotInPublic if case.shows else case.outcome)
        nothing = command_for(case.action, "nothing")
        assert await press(harness, nothing, a_context("6", "ann", **here)) is NoSuchJob
    async with open_harness(tmp_path / "secret", rules=RULES) as harness:
        command = command_for(case.action, secret)
        assert await press(harness, command, a_context("1", "ann", chat_id=OWN_CHAT)) is case.outcome
        for event, chat_id in (("2", "group"), ("3", OWN_CHAT)):
            assert await press(harness, command, a_context(event, "ben", chat_id=chat_id)) is NotYours


async def test_who_may_publish_delete_and_report_after_a_cold_start(tmp_path: Path) -> None:
    """Publishing is the owner's own act, deleting also a host's, reporting everybody's who sees the job."""
    async with open_harness(tmp_path, rules=RULES) as harness:
        job_id = await drawn(harness, private=False)
    answers: dict[tuple[str, str], type] = {
        ("publish", "ann"): AlreadyPublic,
        ("publish", "ben"): NotYours,
        ("publish", HOST): NotYours,
        ("report", "ann"): OwnJob,
        ("report", "ben"): Reported,
        ("report", HOST): Reported,
        ("delete", "ben"): NotYours,
        ("delete", HOST): Deleted,  # the last one: nobody finds the job afterwards
        ("delete", "ann"): NoSuchJob,
        ("reroll", "ann"): NoSuchJob,
        ("report", "cat"): NoSuchJob,
    }
    async with open_harness(tmp_path, rules=RULES) as harness:
        for number, ((action, person), expected) in enumerate(answers.items()):
            context = a_context(str(number), person, chat_id="group")
            assert await press(harness, command_for(action, job_id), context) is expected, (action, person)
    async with open_harness(tmp_path / "secret", rules=RULES) as harness:
        secret = await drawn(harness, private=True)
        for number, (action, person, expected) in enumerate(
            [("report", "ben", NotYours), ("publish", "ann", NothingToPublish), ("delete", "ann", Deleted)]
        ):
            context = a_context(str(number), person, chat_id=OWN_CHAT)
            assert await press(harness, command_for(action, secret), context) is expected


OTHERS: dict[tuple[str, str], type] = {
    ("cancel", "ann"): AlreadyEnded,
    ("cancel", "ben"): NotYours,
    ("star", "ann"): FavouriteSet,
    ("star", "ben"): NotYours,
    ("unstar", "ann"): FavouriteSet,
    ("unstar", "ben"): NotYours,
    ("mine", "ann"): History,
    ("mine", "ben"): History,
    ("starred", "ann"): History,
    ("starred", "ben"): History,
    ("draw", "ann"): Receipt,
    ("draw", "ben"): Receipt,
    ("example", "ann"): Receipt,
    ("example", "ben"): Receipt,
    ("adopt", "ann"): NoSheet,
    ("adopt", "ben"): NoSheet,
    ("lora", "ann"): LoraDetails,
    ("lora", HOST): LoraDetails,
    ("loras", "ann"): LoraListing,
    ("loras", HOST): LoraListing,
    ("default", "ann"): HostsOnly,
    ("default", HOST): LoraSwitched,
    ("revoke", "ann"): OwnersOnly,
    ("revoke", HOST): LoraRevoked,
    ("queue", "ann"): HostsOnly,
    ("queue", HOST): QueueListing,
    ("queue-cancel", "ann"): HostsOnly,
    ("queue-cancel", HOST): AlreadyEnded,
}


async def test_every_button_of_another_kind_answers_after_a_cold_start(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        job_id = await drawn(harness, private=False)
        code = (await harness.job(job_id)).recipe.code
    sugar = f"#{SUGAR.sha256}"
    made: dict[str, ButtonCommand] = {
        "cancel": Cancel(job_id),
        "star": Favourite(job_id, 0, on=True),
        "unstar": Favourite(job_id, 0, on=False),
        "mine": Mine(),
        "starred": Mine(favourites=True),
        "draw": DrawRecipe(code),
        "example": Draw(EXAMPLE_PROMPT, loras=(LoraWish(sugar),)),
        "adopt": Adopt(job_id, 0),
        "lora": LoraInfo(sugar),
        "loras": LoraList(),
        "default": LoraSwitch(LoraWish(sugar), Scope.CHAT),
        "revoke": LoraRevoke(sugar),
        "queue": ShowQueue(2),
        "queue-cancel": Cancel(job_id, 2),
    }
    assert set(made) | set(of_jobs("")) == set(buttons._ACTIONS), "a kind of button that no test presses"
    async with open_harness(tmp_path, rules=RULES) as harness:
        for number, ((action, person), expected) in enumerate(OTHERS.items()):
            command = press_of(data_of(made[action]))
            context = a_context(str(number), person, chat_id="group")
            assert await press(harness, command, context) is expected, (action, person)
