"""The controls under an answer: one list for all chats, which each chat shows as its platform's buttons."""

from dataclasses import dataclass, replace
from enum import StrEnum

from bot.commands.buttons import EXAMPLE_PROMPT, ButtonCommand
from bot.commands.values import (
    MAX_CELLS,
    Adopt,
    Cancel,
    Delete,
    Draw,
    DrawRecipe,
    Edit,
    Enlarge,
    Favourite,
    LoraInfo,
    LoraList,
    LoraSwitch,
    LoraWish,
    Mine,
    Original,
    Pick,
    Publish,
    Repeat,
    Report,
    Reroll,
    ShowQueue,
    Vary,
)
from bot.outcomes.finding import History, HistoryEntry, RecipeShown, SettingsRead
from bot.outcomes.hosting.people import QueueListing
from bot.outcomes.iterating import PickedPicture, ReportListing
from bot.outcomes.jobs import JobResult, Offers, Receipt, Recipe, Status
from bot.outcomes.loras import LoraDetails, LoraListing, LoraState
from bot.outcomes.sheets import Sheet

MAX_PAGE = 999  # what a button holds
CANCELS_IN_ROW = 4  # as many as a phone shows side by side
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
        row: Controls of one row are side by side, ``MOST_IN_ROW`` at most; rows count from 0, without gaps.
        number: The picture or the line that the label names, from 1; None for a label without one.
        name: The LoRA that the label names; empty for a label without one.
    """

    label: str
    command: ButtonCommand
    row: int = 0
    style: ControlStyle = ControlStyle.NORMAL
    number: int | None = None
    name: str = ""


AnswerWithControls = (
    Receipt
    | Status
    | JobResult
    | PickedPicture
    | ReportListing
    | HistoryEntry
    | History
    | RecipeShown
    | SettingsRead
    | LoraDetails
    | LoraListing
    | QueueListing
)
"""What has controls."""


def controls_of(answer: AnswerWithControls) -> tuple[Control, ...]:
    """Return the controls of an answer, in the order in which they are shown.

    Whoever sees them may press them; the desk decides what they may do.
    """
    match answer:
        case Receipt(job_id=job_id) | Status(job_id=job_id):
            return (Control("cancel", Cancel(job_id), style=ControlStyle.DANGER),)
        case HistoryEntry(job_id=job_id):
            starred = Favourite(job_id, None, on=not answer.favourites)
            return (
                Control("reroll", Reroll(job_id)),
                Control("original", Original(job_id)),
                Control("star" if starred.on else "unstar", starred),
            )
        case History():
            return _pages(answer)
        case RecipeShown(code=code, gone=gone):
            return () if gone else (Control("draw", DrawRecipe(code), style=ControlStyle.PRIMARY),)
        case SettingsRead(code=code):
            return (Control("draw", DrawRecipe(code), style=ControlStyle.PRIMARY),)
        case LoraDetails():
            return _of_lora(answer)
        case LoraListing():
            return _of_shelf(answer)
        case QueueListing():
            return _of_queue(answer)
        case ReportListing(jobs=jobs):
            return _in_rows(
                *([Control("original", Original(job.job_id)), _delete(job.job_id)] for job in jobs)
            )
        case PickedPicture(job_id=job_id, picture=picture, offers=offers):
            return _in_rows(
                _of_picture(job_id, picture.index, offers), *_of_job(job_id, offers, picture.index)
            )
        case JobResult(is_deleted=True):
            return ()
        case JobResult(job_id=job_id, pictures=(), recipe=recipe):
            edit = [] if recipe.sheet else [Control("edit", Edit(job_id))]  # a sheet has no one text
            return _in_rows([Control("reroll", Reroll(job_id)), *edit])
        case JobResult(recipe=Recipe(sheet=Sheet() as sheet)):
            return _of_sheet(answer, sheet)
        case JobResult(job_id=job_id, pictures=[one], offers=offers):
            return _in_rows(_of_picture(job_id, one.index, offers), *_of_job(job_id, offers, one.index))
        case JobResult(job_id=job_id, pictures=pictures, offers=offers):
            indexes = [one.index for one in pictures]
            picks = [Control("pick", Pick(job_id, index), number=index + 1) for index in indexes]
            varied = [Control("vary-one", Vary(job_id, index), number=index + 1) for index in indexes]
            return _in_rows(picks, varied, *_of_job(job_id, offers, None))


def _of_lora(details: LoraDetails) -> tuple[Control, ...]:
    """An example with the LoRA; for hosts, who also see its file, the default of the chat."""
    if not details.lora.sha256:  # an answer of an earlier version
        return ()
    lora = LoraWish(f"#{details.lora.sha256}")
    example = Control("example", Draw(EXAMPLE_PROMPT, loras=(lora,)), style=ControlStyle.PRIMARY)
    is_offered = details.facts is not None and not details.is_default
    return (example, Control("default", LoraSwitch(lora))) if is_offered else (example,)


def _of_shelf(listing: LoraListing) -> tuple[Control, ...]:
    """A choice for each LoRA of the page that can be used, and those that turn the pages."""
    usable = [lora for lora in listing.loras if lora.state is LoraState.USABLE and lora.sha256]
    choices = [
        Control("lora", LoraInfo(f"#{lora.sha256}"), number=number, name=lora.name)
        for number, lora in enumerate(usable, start=1)
    ]
    rows = [choices[start : start + MOST_IN_ROW] for start in range(0, len(choices), MOST_IN_ROW)]
    page, search = listing.page, listing.search
    earlier = [Control("previous-page", LoraList(search, page - 1))] if page > 1 else []
    later = [Control("next-page", LoraList(search, page + 1))] if page < min(listing.pages, MAX_PAGE) else []
    return _in_rows(*rows, [*earlier, *later])


def _pages(history: History) -> tuple[Control, ...]:
    """The controls that turn the pages of a history, and those between all jobs and favourites."""
    search, page = history.search, history.page
    turned = []
    if page > 1:
        turned.append(Control("previous", Mine(search, page - 1, history.only_favourites)))
    if history.has_more and page < MAX_PAGE:
        turned.append(Control("next", Mine(search, page + 1, history.only_favourites)))
    other = Mine(search, 1, not history.only_favourites)
    return _in_rows([*turned, Control("all_jobs" if history.only_favourites else "favourites", other)])


def _of_queue(listing: QueueListing) -> tuple[Control, ...]:
    """A button for each job of the page that cancels it, and those that turn the pages."""
    page = listing.page
    cancels = [
        Control("cancel-job", Cancel(job.job_id, page), style=ControlStyle.DANGER, number=job.number)
        for job in listing.jobs
        if job.job_id != listing.cancelled
    ]
    rows = [cancels[start : start + CANCELS_IN_ROW] for start in range(0, len(cancels), CANCELS_IN_ROW)]
    earlier = [Control("previous-page", ShowQueue(page - 1))] if page > 1 else []
    later = [Control("next-page", ShowQueue(page + 1))] if listing.more and page < MAX_PAGE else []
    return _in_rows(*rows, [*earlier, *later])


def _of_sheet(result: JobResult, sheet: Sheet) -> tuple[Control, ...]:
    """A choice for each picture of a sheet, side by side as on it where that leaves few rows; else four."""
    columns = len(sheet.columns.labels) if sheet.rows else 0
    columns = columns if MAX_CELLS // 4 <= columns <= MOST_IN_ROW else MAX_CELLS // 4
    job_id = result.job_id
    choices = [Control("adopt", Adopt(job_id, index), number=index + 1) for index in result.cells]
    rows = [choices[start : start + columns] for start in range(0, len(choices), columns)]
    whole, shared = _of_job(job_id, result.offers, None)
    return _in_rows(*rows, [each for each in whole if not isinstance(each.command, Edit)], shared)


def _of_picture(job_id: str, index: int, offers: Offers) -> list[Control]:
    """The controls that begin with one picture."""
    larger = [Control("larger", Enlarge(job_id, index))] if offers.enlarge else []
    return [
        Control("vary", Vary(job_id, index)),
        Control("vary-strong", Vary(job_id, index, strong=True)),
        *larger,
    ]


def _of_job(job_id: str, offers: Offers, index: int | None) -> tuple[list[Control], list[Control]]:
    """The controls that concern a whole job with pictures; ``index`` is its only picture."""
    publish = [Control("publish", Publish(job_id), style=ControlStyle.PRIMARY)] if offers.publish else []
    report = [Control("report", Report(job_id))] if offers.report else []
    return (
        [
            Control("reroll", Reroll(job_id)),
            Control("repeat", Repeat(job_id)),
            Control("edit", Edit(job_id)),
            Control("original", Original(job_id)),
        ],
        [*publish, Control("star", Favourite(job_id, index)), _delete(job_id), *report],
    )


def _delete(job_id: str) -> Control:
    return Control("delete", Delete(job_id), style=ControlStyle.DANGER)


def _in_rows(*rows: list[Control]) -> tuple[Control, ...]:
    """Number the rows; empty ones are left out."""
    return tuple(replace(each, row=number) for number, row in enumerate(filter(None, rows)) for each in row)
