"""The messages for the desk's outcomes."""

from bot.commands.reading import format_link_code
from bot.commands.values import Help
from bot.languages import is_chinese
from bot.messages.asking.answers import format_asking
from bot.messages.catalogue import N_, PLATFORM_NAMES, Times, format_time, join_facts, shorten, text
from bot.messages.finding.history import format_export, format_favourite, format_history
from bot.messages.finding.recipes import format_recipe, format_settings
from bot.messages.guide import help_text, host_help_text
from bot.messages.hosting.claim import format_claimed
from bot.messages.hosting.diagnosis import format_diagnosis
from bot.messages.hosting.oversight import format_host_actions, format_people
from bot.messages.hosting.people import format_hosted
from bot.messages.hosting.service import format_service_changed, format_status_shown
from bot.messages.hosting.statistics import format_statistics, statistics_chart_name
from bot.messages.iterating.answers import format_continued
from bot.messages.iterating.lineage import format_lineage
from bot.messages.jobs import format_note, format_position, settings_of
from bot.messages.loras.consent import format_decision
from bot.messages.loras.shelf import format_shelf_outcome, preview_name
from bot.messages.plans import card_chart_name, format_card
from bot.outcomes import (
    AccessChanged,
    AccessListing,
    BanListing,
    CancelAccepted,
    CreditBalance,
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

NO_QUOTA = N_("You need no credits here, because this machine is yours.")
MAX_DRY_CHARS = 1_200  # of the final prompts of a trial; a Discord message has 2,000


def format_outcome(outcome: Outcome, locale: str, *, times: Times = "utc", now_s: float | None = None) -> str:
    """Return the message for an outcome, of one or a few lines.

    Args:
        outcome: What the desk returned.
        locale: One of ``LOCALES``.
        times: How the platform shows times.
        now_s: The present Unix time on a platform that counts down to the start of a job.
    """
    match outcome:
        case Receipt():
            return _receipt(outcome, locale, now_s)
        case SettingsShown() | PresetList() | PresetSaved() | PresetDeleted() | ProfileShown():
            return format_asking(outcome, locale)
        case DryRun():
            return _dry_run(outcome, locale, now_s)
        case CancelAccepted(job_id=job_id, was_running=True):
            return text(
                N_(
                    "Stopping job {job_id} after its current step. You get back the credits for what "
                    "isn't drawn."
                ),
                locale,
                job_id=job_id,
            )
        case CancelAccepted(job_id=job_id, refund=refund):
            sentence = N_("Job {job_id} is cancelled. Credits refunded: {refund}.")
            return text(sentence, locale, job_id=job_id, refund=refund)
        case CreditBalance(is_unlimited=True):
            return text(NO_QUOTA, locale)
        case CreditBalance():
            return text(
                N_("Credits left: {credits}. They refill to {daily} at {renews_at}."),
                locale,
                credits=outcome.credits,
                daily=outcome.daily,
                renews_at=format_time(outcome.renews_at_s, times),
            )
        case History():
            return format_history(outcome, locale)
        case ExportReady():
            return format_export(outcome, locale)
        case FavouriteSet():
            return format_favourite(outcome, locale)
        case RecipeShown():
            return format_recipe(outcome, locale)
        case SettingsRead():
            return format_settings(outcome, locale)
        case Originals(job_id=job_id, damaged=damaged):
            files = text(N_("The files of job {job_id}, as they were drawn:"), locale, job_id=job_id)
            lost = N_(
                "{count} more are damaged on the host's disk and left out. /recipe {job_id} draws them again."
            )
            return f"{files}\n{text(lost, locale, count=damaged, job_id=job_id)}" if damaged else files
        case PickedPicture() | EditableText() | Published() | Deleted() | Reported() | ReportListing():
            return format_continued(outcome, locale, times)
        case LinkCode() | LinkConfirmation() | Linked() | Unlinked():
            return _linking(outcome, locale)
        case HostClaimed():
            return format_claimed(outcome, locale)
        case LoraAllowed() | LoraRevoked():
            return format_decision(outcome, locale)
        case (
            LoraListing()
            | LoraDetails()
            | LoraSwitched()
            | LoraAdded()
            | LoraRemoved()
            | LoraChecked()
            | ShelfReloaded()
            | LoraFileOffered()
        ):
            return format_shelf_outcome(outcome, locale)
        case (
            QueueListing()
            | PersonBanned()
            | PersonUnbanned()
            | BanListing()
            | CreditsGranted()
            | DailyCreditsGranted()
            | AccessChanged()
            | AccessListing()
        ):
            return format_hosted(outcome, locale, times)
        case StatisticsShown():
            return format_statistics(outcome, locale)
        case Diagnosis():
            return format_diagnosis(outcome, locale)
        case PeopleListing():
            return format_people(outcome, locale, times)
        case HostActionListing():
            return format_host_actions(outcome, locale, times)
        case StatusShown():
            return format_status_shown(outcome, locale)
        case ServiceChanged():
            return format_service_changed(outcome, locale)
        case Help(for_hosts=True):
            return host_help_text(locale)
        case Help():
            return help_text(locale)
        case CardReport():
            return format_card(outcome, locale, times)
        case HelpWithVocabulary():
            return help_text(locale, outcome.lines)


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


def _dry_run(dry: DryRun, locale: str, now_s: float | None) -> str:
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
            first + space + format_position(dry, locale, now_s),
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


def _linking(outcome: LinkCode | LinkConfirmation | Linked | Unlinked, locale: str) -> str:
    match outcome:
        case LinkCode():
            sentence = N_(
                "Type “/link {code}” twice in your other chat within {minutes} minutes. Then both chats "
                "share one history and one allowance. Don't show the code to anyone."
            )
            return text(sentence, locale, code=format_link_code(outcome.code), minutes=outcome.minutes)
        case LinkConfirmation():
            sentence = N_(
                "This code belongs to “{name}” on {platform}. If that is you, type “/link {code}” again "
                "to link the chats; “{name}” can then see all your pictures. If it isn't you, don't."
            )
            platform = PLATFORM_NAMES[outcome.platform]
            name = outcome.name or "…"  # the page and the terminal know no names
            return text(sentence, locale, name=name, platform=platform, code=format_link_code(outcome.code))
        case Linked():
            sentence = N_(
                "Your chats are linked: {platforms}. They share one history and one daily allowance. "
                "Credits left: {credits}."
            )
            names = tuple(PLATFORM_NAMES[platform] for platform in outcome.platforms)
            return text(sentence, locale, platforms=names, credits=outcome.credits)
        case Unlinked():
            sentence = N_(
                "You start over on {platform} with an empty history; credits come with the next "
                "allowance. Pictures, credits and waiting jobs stay with your other chat."
            )
            return text(sentence, locale, platform=PLATFORM_NAMES[outcome.platform])
