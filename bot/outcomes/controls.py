"""The controls under an answer: one list for all chats, which each chat shows as its platform's buttons."""

from dataclasses import dataclass
from enum import StrEnum

from bot.commands.buttons import ButtonCommand
from bot.commands.values import Cancel, Edit, Original, Pick, Repeat, Reroll
from bot.outcomes.iterating import PickedPicture
from bot.outcomes.jobs import HistoryEntry, JobResult, Receipt, Status

MOST_IN_ROW = 5  # Discord's limit; a row has no more on any platform


class ControlStyle(StrEnum):
    """How a control looks, where the platform has colours."""

    NORMAL = "normal"
    PRIMARY = "primary"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Control:
    """A button that gives a command.

    Attributes:
        label: A key of ``bot.messages.button_label``.
        row: Controls of one row stand side by side, ``MOST_IN_ROW`` at most; rows count from 0, without gaps.
        number: The picture that the label names, from 1; None for a label without one.
    """

    label: str
    command: ButtonCommand
    row: int = 0
    style: ControlStyle = ControlStyle.NORMAL
    number: int | None = None


def controls_of(answer: Receipt | Status | JobResult | PickedPicture | HistoryEntry) -> tuple[Control, ...]:
    """Return the controls of an answer, in the order in which they are shown."""
    match answer:
        case Receipt(job_id=job_id) | Status(job_id=job_id):
            return (Control("cancel", Cancel(job_id), style=ControlStyle.DANGER),)
        case HistoryEntry(job_id=job_id):
            return (Control("reroll", Reroll(job_id)), Control("original", Original(job_id)))
        case PickedPicture(job_id=job_id):
            return _in_rows(_of_job(job_id))
        case JobResult(job_id=job_id, pictures=()):
            return _in_rows([Control("reroll", Reroll(job_id)), Control("edit", Edit(job_id))])
        case JobResult(job_id=job_id, pictures=pictures):
            picks = [Control("pick", Pick(job_id, one.index), number=one.index + 1) for one in pictures]
            return _in_rows(picks if len(picks) > 1 else [], _of_job(job_id))


def _of_job(job_id: str) -> list[Control]:
    """The controls that concern a whole job with pictures."""
    return [
        Control("reroll", Reroll(job_id)),
        Control("repeat", Repeat(job_id)),
        Control("edit", Edit(job_id)),
        Control("original", Original(job_id)),
    ]


def _in_rows(*rows: list[Control]) -> tuple[Control, ...]:
    """Number the rows; empty ones are left out."""
    filled = [row for row in rows if row]
    return tuple(
        Control(each.label, each.command, number, each.style, each.number)
        for number, row in enumerate(filled)
        for each in row
    )
