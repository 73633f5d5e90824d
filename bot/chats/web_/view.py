"""From entries to HTML. Every text goes through Jinja's autoescape, so nothing a person typed is ever markup.

Knows nothing of Gradio or of sessions: a conversation in, a string out.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.chats.web_.card import CardView
from bot.chats.web_.conversation import Answered, Conversation, Drawing, Entry, Said
from bot.commands import buttons
from bot.commands.values import Cancel, Reroll
from bot.desk.outcomes import History, HistoryEntry, Outcome, PictureFile, Recipe
from bot.errors import SugarbotError
from bot.words import explain, label, parcel, past, say, status
from bot.words.page import page

EXAMPLES = (
    "Sugar面部,纯欲甜妹脸部,淡颜系清甜长相,清透水光肌,微醺蜜桃腮红,薄涂裸粉唇釉,眼尾轻挑带慵懒笑意,细碎睫毛轻颤",
    "小麦色肌肤, 圆润杏眼, 正红唇, 蓝色双马尾, 圆框眼镜 --lora anime -n 2",
    "/loras",
    "/quota",
)
"""What an empty page offers; the first is the prompt of the article that the project starts from."""

STRIP = Path(__file__).with_name("strip.png")
"""What LoRAs do, drawn by ``python -m engine.demo.strip``; an empty page shows it."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the page shows it; ``url`` is relative to the page."""

    url: str
    width_px: int
    height_px: int
    alt: str


@dataclass(frozen=True, slots=True)
class PastJob:
    """One job of an answer to ``/mine``."""

    text: str
    press: str
    pictures: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One bubble of the conversation.

    Attributes:
        by: ``person``, ``bot`` or ``refusal``: how the bubble looks.
        percent: Progress of the whole job; None where there is no bar.
        frames: Places of pictures that are still to come, ``frame_now`` the one being drawn.
        buttons: Pairs of press data and label.
    """

    by: str
    text: str
    job_id: str = ""
    state: str = ""
    percent: int | None = None
    frames: tuple[int, ...] = ()
    frame_now: int = -1
    width_px: int = 1
    height_px: int = 1
    pictures: tuple[Shown, ...] = ()
    jobs: tuple[PastJob, ...] = ()
    buttons: tuple[tuple[str, str], ...] = field(default=())


def talk_html(talk: Conversation) -> str:
    """The whole conversation in its current language."""
    return _TEMPLATES.get_template("talk.html").render(
        locale=talk.locale,
        t=partial(page, locale=talk.locale),
        turns=[_turn(entry, talk) for entry in talk.entries],
        examples=EXAMPLES,
        reroll=label("reroll", talk.locale),
    )


def header_html(locale: str) -> str:
    """The name of the house."""
    return _TEMPLATES.get_template("header.html").render(locale=locale, t=partial(page, locale=locale))


def card_html(card: CardView, locale: str) -> str:
    """The panel of the card and its queue."""
    return _TEMPLATES.get_template("card.html").render(
        locale=locale, t=partial(page, locale=locale), card=card, gib=lambda count: f"{count / 2**30:.1f}"
    )


def _turn(entry: Entry, talk: Conversation) -> Turn:
    match entry:
        case Said(words):
            return Turn("person", words)
        case Drawing():
            return _ended(entry, talk) if entry.parcel else _under_way(entry, talk)
        case Answered(outcome):
            return _answer(outcome, talk)


def _answer(outcome: Outcome | SugarbotError, talk: Conversation) -> Turn:
    if isinstance(outcome, SugarbotError):
        return Turn("refusal", explain(outcome, talk.locale))
    if isinstance(outcome, History) and outcome.entries:
        return Turn("bot", "", jobs=tuple(_past(job, talk) for job in outcome.entries))
    return Turn("bot", say(outcome, talk.locale))


def _under_way(drawing: Drawing, talk: Conversation) -> Turn:
    """A job before its end: the newest status, else the receipt."""
    now, receipt = drawing.status, drawing.receipt
    if now:
        words, count = status(now, talk.locale), now.count
    else:
        assert receipt is not None  # noqa: S101 - a drawing is born from a receipt, a status or a parcel
        words, count = say(receipt, talk.locale), receipt.recipe.count
    is_drawing = now is not None and now.place is None
    return Turn(
        "bot",
        words,
        job_id=drawing.job_id,
        state="running" if is_drawing else "queued",
        percent=_percent(drawing),
        frames=tuple(range(count)),
        frame_now=now.index if now and is_drawing else -1,
        width_px=receipt.recipe.width_px if receipt else 1,
        height_px=receipt.recipe.height_px if receipt else 1,
        buttons=((buttons.data_of(Cancel(drawing.job_id)), label("cancel", talk.locale)),),
    )


def _percent(drawing: Drawing) -> int:
    now = drawing.status
    if now is None or not now.steps:
        return 0
    return round(100 * (now.index * now.steps + now.step) / (now.count * now.steps))


def _ended(drawing: Drawing, talk: Conversation) -> Turn:
    end = drawing.parcel
    assert end is not None  # noqa: S101 - asked only for ended jobs
    return Turn(
        "bot" if end.pictures else "refusal",
        parcel(end, talk.locale),
        job_id=end.job_id,
        state=end.state,
        pictures=_shown(end.job_id, end.pictures, end.recipe, talk),
        buttons=((buttons.data_of(Reroll(end.job_id)), label("reroll", talk.locale)),),
    )


def _past(job: HistoryEntry, talk: Conversation) -> PastJob:
    return PastJob(
        past(job, talk.locale),
        buttons.data_of(Reroll(job.job_id)),
        _shown(job.job_id, job.pictures, job.recipe, talk),
    )


def _shown(
    job_id: str, pictures: tuple[PictureFile, ...], recipe: Recipe, talk: Conversation
) -> tuple[Shown, ...]:
    return tuple(
        Shown(
            f"pictures/{quote(talk.chat_id)}/{quote(job_id)}/{picture.index}.png",
            recipe.width_px,
            recipe.height_px,
            recipe.prompt,
        )
        for picture in pictures
    )
