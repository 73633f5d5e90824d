"""The messages for the desk's outcomes."""

from collections.abc import Callable
from typing import Any

from bot.commands.reading import format_link_code
from bot.commands.values import Help
from bot.languages import is_chinese
from bot.messages.asking.answers import format_asking
from bot.messages.catalogue import N_, PLATFORM_NAMES, Times, format_time, join_facts, shorten, text
from bot.messages.finding.history import format_export, format_favourite, format_history
from bot.messages.finding.recipes import NO_QUOTA, format_recipe, format_settings
from bot.messages.guide import help_text, host_help_text
from bot.messages.hosting.claim import format_claimed
from bot.messages.hosting.diagnosis import format_diagnosis
from bot.messages.hosting.oversight import format_host_actions, format_people
from bot.messages.hosting.people import format_hosted
from bot.messages.hosting.service import format_service_changed, format_status_shown
from bot.messages.hosting.statistics import format_statistics, statistics_chart_name
from bot.messages.iterating.answers import format_continued
from bot.messages.iterating.lineage import format_lineage
from bot.messages.jobs import format_note, format_position, format_possible_start, settings_of
from bot.messages.loras.consent import format_decision
from bot.messages.loras.shelf import format_shelf_outcome, preview_name
from bot.messages.plans import card_chart_name, format_card
from bot.outcomes import (
    AccessChanged,
    AccessListing,
    BanListing,
    CancelAccepted,
    CreditBalance,
    CreditsGiven,
    CreditsGranted,
    DailyCreditsGranted,
    Deleted,
    Diagnosis,
    DryRun,
    EditableText,
    ExportReady,
    FavouriteSet,
    HelpWithVocabulary,
    History,
    HostActionListing,
    HostClaimed,
    Lineage,
    LinkCode,
    LinkConfirmation,
    Linked,
    LoraAdded,
    LoraAllowed,
    LoraChecked,
    LoraDetails,
    LoraFileOffered,
    LoraListing,
    LoraRemoved,
    LoraRevoked,
    LoraSwitched,
    Originals,
    Outcome,
    PeopleListing,
    PersonBanned,
    PersonUnbanned,
    PickedPicture,
    PresetDeleted,
    PresetList,
    PresetSaved,
    ProfileShown,
    Published,
    QueueListing,
    Receipt,
    Recipe,
    RecipeShown,
    Reported,
    ReportListing,
    ServiceChanged,
    SettingsRead,
    SettingsShown,
    ShelfReloaded,
    StatisticsShown,
    StatusShown,
    Unlinked,
)
from engine.host.report import CardReport

MAX_DRY_CHARS = 1_200  # of the final prompts of a trial; a Discord message has 2,000


def format_outcome(outcome: Outcome, locale: str, *, times: Times = "utc", now_s: float | None = None) -> str:
    """Return the message for an outcome, of one or a few lines.

    Args:
        outcome: What the desk returned.
        locale: One of ``LOCALES``.
        times: How the platform shows times.
        now_s: The present Unix time on a platform that counts down to the start of a job.
    """
    kind = type(outcome)
    if kind in _COUNTING_DOWN:
        return _COUNTING_DOWN[kind](outcome, locale, now_s)
    if kind in _WITH_TIMES:
        return _WITH_TIMES[kind](outcome, locale, times)
    return _PLAIN[kind](outcome, locale)


def picture_of(outcome: Outcome, locale: str) -> tuple[bytes, str]:
    """Return the picture that belongs to an answer, a PNG, and what it shows; empty if none belongs to it."""
    match outcome:
        case CardReport(png=png) if png:
            return png, card_chart_name(locale)
        case StatisticsShown(png=png) if png:
            return png, statistics_chart_name(locale)
        case LoraDetails(strip=strip) if strip:
            return strip, preview_name(outcome.lora.name, locale)
    return b"", ""


def _dry_run(dry: DryRun, locale: str) -> str:
    recipe, space = dry.recipe, "" if is_chinese(locale) else " "
    first = text(N_("A trial: nothing is drawn or charged."), locale)
    price = N_("This would cost {price}; you would have {left} credits left.")
    prompts = recipe.prompts or (recipe.prompt,)
    each_chars = MAX_DRY_CHARS // len(prompts)
    drawn = [shorten(prompt, each_chars) for prompt in prompts]
    if len(drawn) > 1:
        drawn = [f"{number}: {prompt}" for number, prompt in enumerate(drawn, 1)]
    return "\n".join(
        [
            first + space + format_possible_start(dry, locale),
            _facts_of(recipe, None, locale),
            text(price if dry.price else NO_QUOTA, locale, price=dry.price, left=dry.credits_left),
            text(N_("Final prompt: {prompt}"), locale, prompt=drawn[0])
            if len(drawn) == 1
            else "\n".join([text(N_("Final prompts:"), locale), *drawn]),
            *(format_note(each, locale) for each in dry.notes),
        ]
    )


def _facts_of(recipe: Recipe, lineage: Lineage | None, locale: str) -> str:
    facts = [format_lineage(lineage, locale), settings_of(recipe, locale)]
    if recipe.sheet:
        return join_facts(facts)
    facts.append(text(N_("seed {seeds}"), locale, seeds=recipe.seed))
    if recipe.count > 1:
        facts.append(text(N_("{count} pictures"), locale, count=recipe.count))
    return join_facts(facts)


def _receipt(receipt: Receipt, locale: str, now_s: float | None) -> str:
    sentence = N_("I already have this one (job {job_id}).") if receipt.repeated else N_("Got it!")
    first = [text(sentence, locale, job_id=receipt.job_id), format_position(receipt, locale, now_s)]
    sentence = N_("Credits: {price} for this, {left} left.") if receipt.price else NO_QUOTA
    paid = text(sentence, locale, price=receipt.price, left=receipt.credits_left)
    notes = [format_note(each, locale) for each in receipt.notes]
    start = ("" if is_chinese(locale) else " ").join(first)
    return "\n".join([start, _facts_of(receipt.recipe, receipt.lineage, locale), paid, *notes])


_LINK_CODE = N_(
    "Type “/link {code}” twice in your other chat within {minutes} minutes. Then both chats "
    "share one history and one allowance. Don't show the code to anyone."
)
_LINK_CONFIRMATION = N_(
    "This code belongs to “{name}” on {platform}. If that is you, type “/link {code}” again "
    "to link the chats; “{name}” can then see all your pictures. If it isn't you, don't."
)
_LINKED = N_(
    "Your chats are linked: {platforms}. They share one history and one daily allowance. "
    "Credits left: {credits}."
)
_UNLINKED = N_(
    "You start over on {platform} with an empty history; credits come with the next "
    "allowance. Pictures, credits and waiting jobs stay with your other chat."
)


def _linking(outcome: LinkCode | LinkConfirmation | Linked | Unlinked, locale: str) -> str:
    match outcome:
        case LinkCode():
            return text(_LINK_CODE, locale, code=format_link_code(outcome.code), minutes=outcome.minutes)
        case LinkConfirmation():
            name = outcome.name or "…"  # the page and the terminal know no names
            facts = {"platform": PLATFORM_NAMES[outcome.platform], "code": format_link_code(outcome.code)}
            return text(_LINK_CONFIRMATION, locale, name=name, **facts)
        case Linked():
            names = tuple(PLATFORM_NAMES[platform] for platform in outcome.platforms)
            return text(_LINKED, locale, platforms=names, credits=outcome.credits)
        case Unlinked():
            return text(_UNLINKED, locale, platform=PLATFORM_NAMES[outcome.platform])


def _cancelled(outcome: CancelAccepted, locale: str) -> str:
    sentence = N_("Job {job_id} is cancelled. Credits refunded: {refund}.")
    if not outcome.refund:
        sentence = N_("Job {job_id} is cancelled.")
    if outcome.was_running:
        sentence = N_(
            "Stopping job {job_id} after its current step. You get back the credits for what isn't drawn."
        )
        if not outcome.is_paid:
            sentence = N_("Stopping job {job_id} after its current step.")
    return text(sentence, locale, job_id=outcome.job_id, refund=outcome.refund)


def _balance(balance: CreditBalance, locale: str, times: Times) -> str:
    if balance.is_unlimited:
        return text(NO_QUOTA, locale)
    return text(
        N_("Credits left: {credits}. They refill to {daily} at {renews_at}."),
        locale,
        credits=balance.credits,
        daily=balance.daily,
        renews_at=format_time(balance.renews_at_s, times),
    )


def _originals(originals: Originals, locale: str) -> str:
    job_id, damaged = originals.job_id, originals.damaged
    files = text(N_("The files of job {job_id}, as they were drawn:"), locale, job_id=job_id)
    lost = N_("{count} more are damaged on the host's disk and left out. /recipe {job_id} draws them again.")
    return f"{files}\n{text(lost, locale, count=damaged, job_id=job_id)}" if damaged else files


def _help(command: Help, locale: str) -> str:
    return host_help_text(locale) if command.for_hosts else help_text(locale)


_COUNTING_DOWN: dict[type[Outcome], Callable[[Any, str, float | None], str]] = {
    Receipt: _receipt,
}
"""What says when a job starts."""

_WITH_TIMES: dict[type[Outcome], Callable[[Any, str, Times], str]] = {
    CreditBalance: _balance,
    CardReport: format_card,
    PeopleListing: format_people,
    HostActionListing: format_host_actions,
    **dict.fromkeys(
        (PickedPicture, EditableText, Published, Deleted, Reported, ReportListing), format_continued
    ),
    **dict.fromkeys((QueueListing, PersonBanned, PersonUnbanned, BanListing), format_hosted),
    **dict.fromkeys(
        (CreditsGiven, CreditsGranted, DailyCreditsGranted, AccessChanged, AccessListing), format_hosted
    ),
}
"""What may contain a time."""

_PLAIN: dict[type[Outcome], Callable[[Any, str], str]] = {
    CancelAccepted: _cancelled,
    DryRun: _dry_run,
    Originals: _originals,
    Help: _help,
    HelpWithVocabulary: lambda guide, locale: help_text(locale, guide.lines),
    HostClaimed: format_claimed,
    History: format_history,
    ExportReady: format_export,
    FavouriteSet: format_favourite,
    RecipeShown: format_recipe,
    SettingsRead: format_settings,
    StatisticsShown: format_statistics,
    StatusShown: format_status_shown,
    ServiceChanged: format_service_changed,
    Diagnosis: format_diagnosis,
    **dict.fromkeys((SettingsShown, PresetList, PresetSaved, PresetDeleted, ProfileShown), format_asking),
    **dict.fromkeys((LinkCode, LinkConfirmation, Linked, Unlinked), _linking),
    **dict.fromkeys((LoraAllowed, LoraRevoked), format_decision),
    **dict.fromkeys((LoraListing, LoraDetails, LoraFileOffered), format_shelf_outcome),
    **dict.fromkeys((LoraSwitched, LoraAdded, LoraRemoved, LoraChecked, ShelfReloaded), format_shelf_outcome),
}
