"""From conversations to HTML. Jinja escapes every text, so nothing that a person typed is ever markup.

Knows nothing of HTTP or of sessions: a conversation in, a string out. The markup has no inline style and no
inline script, so that the page's content policy can forbid both.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.chats.web.card import CardView
from bot.chats.web.conversation import Answered, Conversation, Drawing, Entry, Item, Said
from bot.chats.web.incoming import MAX_TEXT_CHARS, SHAPES
from bot.commands import buttons
from bot.commands.values import MAX_COUNT, MAX_WEIGHT, Cancel, Reroll
from bot.errors import SugarbotError
from bot.messages import LOCALES, caption_of, explain, label, past, say, status
from bot.messages.page import LANGUAGES, page
from bot.outcomes import History, HistoryEntry, LoraSummary, Outcome, Recipe
from engine.sizes import in_gib

EXAMPLES = {
    "en": (
        "a girl with porcelain skin, rose blush, nude lip glaze, smiling eyes, fine lashes, wavy hair",
        "tanned skin, round eyes, red lips, blue twin tails, round glasses --lora anime -n 2",
        "/loras",
        "/quota",
    ),
    "zh-CN": (
        "Sugar面部,纯欲甜妹脸部,淡颜系清甜长相,清透水光肌,微醺蜜桃腮红,薄涂裸粉唇釉,眼尾轻挑带慵懒笑意,细碎睫毛轻颤",
        "小麦色肌肤, 圆润杏眼, 正红唇, 蓝色双马尾, 圆框眼镜 --lora anime -n 2",
        "/loras",
        "/quota",
    ),
}
"""What an empty page offers; the first in Chinese is the prompt of the article that began the project."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the page shows it, or the place of one that is still to come, which has no ``url``."""

    url: str
    width_px: int
    height_px: int
    alt: str
    is_next: bool = False


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
        buttons: Pairs of press data and label.
    """

    by: str
    text: str
    job_id: str = ""
    state: str = ""
    percent: int | None = None
    pictures: tuple[Shown, ...] = ()
    jobs: tuple[PastJob, ...] = ()
    buttons: tuple[tuple[str, str], ...] = field(default=())


def page_html(talk: Conversation, card: str, loras: tuple[LoraSummary, ...]) -> str:
    """The whole page; ``card`` is what ``card_html`` made."""
    locale = talk.locale
    return _render(
        "page.html",
        locale,
        talk=talk_html(talk),
        card=card,
        loras=[(lora.name, title_of(lora, locale), lora.weight) for lora in loras],
        languages=[(code, LANGUAGES[code]) for code in LOCALES],
        shapes=("", *SHAPES),
        max_weight=MAX_WEIGHT,
        max_count=MAX_COUNT,
        max_chars=MAX_TEXT_CHARS,
    )


def gate_html(locale: str) -> str:
    """A page that opens the real one: to a link of another site the browser adds no session cookie."""
    return _render("gate.html", locale)


def talk_html(talk: Conversation) -> str:
    """The whole conversation in its language."""
    if not talk.items:
        return _render("welcome.html", talk.locale, examples=EXAMPLES[talk.locale])
    return "".join(turn_html(item, talk) for item in talk.items)


def turn_html(item: Item, talk: Conversation) -> str:
    """One bubble of the conversation in its language."""
    turn = _turn(item.entry, talk)
    return _render(
        "turn.html", talk.locale, number=item.number, turn=turn, reroll=label("reroll", talk.locale)
    )


def card_html(card: CardView, default_lora: str, locale: str) -> str:
    """The panel of the card, its queue and the title of this chat's default LoRA (empty: none)."""
    return _render("card.html", locale, card=card, default_lora=default_lora, gib=in_gib)


def title_of(lora: LoraSummary, locale: str) -> str:
    """What people call this LoRA."""
    return lora.titles.get(locale) or lora.titles.get("en") or lora.name


def _render(template: str, locale: str, **facts: Any) -> str:
    words = partial(page, locale=locale)
    return _TEMPLATES.get_template(template).render(locale=locale, t=words, **facts)


def _turn(entry: Entry, talk: Conversation) -> Turn:
    match entry:
        case Said(words):
            return Turn("person", words)
        case Drawing():
            return _ended(entry, talk) if entry.result else _under_way(entry, talk)
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
        assert receipt is not None  # noqa: S101 - an entry begins with a receipt, a status or a result
        words, count = say(receipt, talk.locale), receipt.recipe.count
    is_drawing = now is not None and now.position is None
    return Turn(
        "bot",
        words,
        job_id=drawing.job_id,
        state="running" if is_drawing else "queued",
        percent=_percent(drawing),
        pictures=_so_far(drawing, count, is_drawing=is_drawing),
        buttons=((buttons.data_of(Cancel(drawing.job_id)), label("cancel", talk.locale)),),
    )


def _so_far(drawing: Drawing, count: int, *, is_drawing: bool) -> tuple[Shown, ...]:
    """A place for each picture of a job; those that are complete stand in theirs."""
    now, receipt = drawing.status, drawing.receipt
    drawn = {picture.index: picture for picture in now.pictures} if now else {}
    known = next(iter(drawn.values()), receipt.recipe if receipt else None)
    size = (known.width_px, known.height_px) if known else (1, 1)
    alt = receipt.recipe.prompt if receipt else ""
    return tuple(
        Shown(_url(drawing.job_id, index), *size, alt)
        if index in drawn
        else Shown("", *size, "", is_next=is_drawing and now is not None and index == now.index)
        for index in range(count)
    )


def _percent(drawing: Drawing) -> int:
    now = drawing.status
    if now is None or not now.steps:
        return 0
    return round(100 * (now.index * now.steps + now.step) / (now.count * now.steps))


def _ended(drawing: Drawing, talk: Conversation) -> Turn:
    end = drawing.result
    assert end is not None  # noqa: S101 - called for ended jobs only
    return Turn(
        "bot" if end.pictures else "refusal",
        caption_of(end, talk.locale),
        job_id=end.job_id,
        state=end.state,
        pictures=_shown(end.job_id, [picture.index for picture in end.pictures], end.recipe),
        buttons=((buttons.data_of(Reroll(end.job_id)), label("reroll", talk.locale)),),
    )


def _past(job: HistoryEntry, talk: Conversation) -> PastJob:
    return PastJob(
        past(job, talk.locale),
        buttons.data_of(Reroll(job.job_id)),
        _shown(job.job_id, [picture.index for picture in job.pictures], job.recipe),
    )


def _shown(job_id: str, indexes: list[int], recipe: Recipe) -> tuple[Shown, ...]:
    return tuple(
        Shown(_url(job_id, index), recipe.width_px, recipe.height_px, recipe.prompt) for index in indexes
    )


def _url(job_id: str, index: int) -> str:
    return f"/pictures/{job_id}/{index}.png"
