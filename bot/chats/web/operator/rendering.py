"""Renders the operator tab as HTML. Jinja escapes every text, so a person's text never becomes markup."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.chats.web.operator.charts import chart_views
from bot.chats.web.panel import CardPanel
from bot.errors import SugarbotError
from bot.messages import LOCALES, format_error, format_time
from bot.messages.details import translate_detail
from bot.messages.hosting.oversight import format_host_action, person_facts
from bot.messages.hosting.people import format_queued
from bot.messages.hosting.service import format_activity, format_service
from bot.messages.loras.shelf import lora_line
from bot.messages.operator import tab_text
from bot.messages.page import LANGUAGES, page_text
from bot.monitoring.recent_log import LoggedEvent, LogLevel
from bot.outcomes import (
    HostActionListing,
    LoraListing,
    LoraSummary,
    PeopleListing,
    QueueListing,
    StatusShown,
)
from bot.outcomes.loras import LoraState
from engine.formatting import in_gib
from engine.host.report import WorkerError
from engine.planner.monitor import CardReading

TABS = ("overview", "people", "loras", "log", "audit")
SHOWN_ERRORS = 12


@dataclass(frozen=True, slots=True)
class PersonView:
    """One person on the tab; ``subject`` is what the commands call them."""

    subject: str
    names: tuple[tuple[str, str], ...]
    facts: tuple[str, ...]
    last: str
    is_host: bool
    reason: str
    is_banned: bool


_TEMPLATES = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "templates", Path(__file__).parents[1] / "templates"]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_tab(tab: str, page: int, search: str, parts: Mapping[str, str], locale: str) -> str:
    """Render the whole tab for somebody who has logged in."""
    facts = {"tab": tab, "page": page, "search": search, "tabs": TABS, "parts": parts}
    return _render("tab.html", locale, **facts, **_frame())


def render_refusal(error: SugarbotError, locale: str) -> str:
    """Render why a part cannot be shown now."""
    return _render("refusal.html", locale, sentence=format_error(error, locale))


def render_login(locale: str) -> str:
    """Render the form that asks for the password."""
    return _render("login.html", locale, **_frame())


def render_no_password(locale: str) -> str:
    """Render how to set a password, and nothing else."""
    return _render("no_password.html", locale, **_frame())


def render_status(card: CardPanel, status: StatusShown, locale: str) -> str:
    """Render what the card does now, what a host decided, and the buttons that change it."""
    service = status.service
    return _render(
        "status.html",
        locale,
        card=card,
        name=translate_detail(card.name, locale),
        gib=in_gib,
        mode=service.mode,
        decided=format_service(service, locale),
        activity=format_activity(status, locale),
    )


def render_charts(readings: Sequence[CardReading], locale: str) -> str:
    """Render the charts of the last hour."""
    return _render("charts.html", locale, charts=chart_views(readings, locale))


def render_errors(worker: Sequence[WorkerError], events: Sequence[LoggedEvent], locale: str) -> str:
    """Render the newest errors of the worker and of the log, the newest first."""
    errors = [(format_time(error.at_s), error.detail) for error in worker]
    errors = [*reversed(errors)]
    logged = [event for event in events if event.level is LogLevel.ERROR][-SHOWN_ERRORS:]
    return _render("errors.html", locale, worker=errors, events=logged[::-1])


def render_queue(listing: QueueListing, locale: str) -> str:
    """Render who waits for which job, with a button that cancels each."""
    jobs = [(job.job_id, format_queued(job, locale), job.position is None) for job in listing.jobs]
    return _render("queue.html", locale, jobs=jobs, more=listing.more)


def render_people(listing: PeopleListing, locale: str) -> str:
    """Render one page of the people, with what the operator may do about each."""
    people = [
        PersonView(
            subject=person.identities[0].identity,
            names=tuple((who.name, who.identity) for who in person.identities),
            facts=tuple(person_facts(person, locale, "utc")),
            last=format_time(person.last_s) if person.last_s else "",
            is_host=person.is_host,
            reason=person.ban.reason if person.ban else "",
            is_banned=person.ban is not None,
        )
        for person in listing.people
    ]
    return _render("people.html", locale, people=people, listing=listing)


def render_audit(listing: HostActionListing, locale: str) -> str:
    """Render one page of what hosts did."""
    lines = [format_host_action(action, locale, "utc") for action in listing.actions]
    return _render("audit.html", locale, lines=lines, listing=listing)


def render_loras(shelf: LoraListing, locale: str) -> str:
    """Render one page of the shelf, with the preview of each LoRA that can be used."""
    loras = [
        (lora.name, lora_line(lora, locale, is_default=lora.name == shelf.default), _preview(lora))
        for lora in shelf.loras
    ]
    return _render("loras.html", locale, shelf=shelf, loras=loras)


def render_log(events: Sequence[LoggedEvent], locale: str) -> str:
    """Render the newest events of the log, the newest first."""
    return _render("log.html", locale, events=events[::-1])


def _preview(lora: LoraSummary) -> str:
    """The address of a preview; with the content's hash, so that another content has another address."""
    if lora.state is not LoraState.USABLE:
        return ""
    return f"/operator/preview?{urlencode({'lora': lora.name, 'content': lora.sha256[:16]})}"


def _frame() -> dict[str, Any]:
    return {"languages": [(code, LANGUAGES[code]) for code in LOCALES]}


def _render(template: str, locale: str, **facts: Any) -> str:
    translate = partial(page_text, locale=locale)
    return _TEMPLATES.get_template(template).render(
        locale=locale, t=translate, o=partial(tab_text, locale=locale), **facts
    )
