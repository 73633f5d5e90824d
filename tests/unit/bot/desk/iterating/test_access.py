"""Every control after a cold start: what its owner gets, somebody else in the chat, and everybody else."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.commands.buttons import data_of, press_of
from bot.commands.values import Command, Draw, Edit, Original, Pick, Repeat, Reroll
from bot.errors import NoSuchJob, NotInPublic, NotYours, PersonError
from bot.outcomes import Address, CommandContext, EditableText, Originals, PickedPicture, Platform, Receipt
from bot.policy.rules import Rules
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness

RULES = Rules(max_waiting=99, daily_credits=99)
OWN_CHAT = "ann alone"


def command_for(action: str, job_id: str) -> Command:
    """The command of a button of this job, as a press after a restart gives it."""
    made: dict[str, Command] = {
        "reroll": Reroll(job_id),
        "repeat": Repeat(job_id),
        "pick": Pick(job_id, 1),
        "edit": Edit(job_id),
        "original": Original(job_id),
    }
    return press_of(data_of(made[action]))  # type: ignore[arg-type]


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
