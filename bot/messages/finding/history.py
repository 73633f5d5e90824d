"""The messages for pages of history and for favourites."""

from bot.messages.catalogue import N_, join_facts, shorten, text
from bot.messages.finding.recipes import format_code
from bot.messages.iterating.lineage import format_lineage
from bot.messages.jobs import STATES, format_triggers
from bot.outcomes import ExportReady, FavouriteSet, History, HistoryEntry

PROMPT_IN_LIST_CHARS = 40
FAVOURITE_MARK = "★"


def format_history(history: History, locale: str) -> str:
    """Return a page of jobs, one on each line, and what is not on it."""
    lines = [format_history_entry(entry, locale) for entry in history.entries]
    lines.insert(0, history_heading(history, locale))
    if history.hidden:
        sentence = N_(
            "Not shown, because others can read this chat: {count} of your jobs here, which are private or "
            "from another chat. Send me /mine in private to see them."
        )
        lines.append(text(sentence, locale, count=history.hidden))
    if any(entry.missing for entry in history.entries):
        expired = N_(
            "Expired pictures are no longer on the host's disk. Draw them again with their recipe code."
        )
        lines.append(text(expired, locale))
    if any(entry.previews for entry in history.entries):
        small = N_(
            "Of expired originals small previews are left. Draw them again as they were with their recipe "
            "code."
        )
        lines.append(text(small, locale))
    return "\n".join(line for line in lines if line)


def history_heading(history: History, locale: str) -> str:
    """Return which of the person's jobs these are; of an empty page, what to do next."""
    facts = {"search": history.search, "page": history.page}
    if not history.entries:
        return _nothing(history, locale)
    if history.search and history.only_favourites:
        sentence = N_("Your favourites with “{search}”, page {page}:")
    elif history.search:
        sentence = N_("Your jobs with “{search}”, page {page}:")
    elif history.only_favourites:
        sentence = N_("Your favourites, page {page}:")
    else:
        sentence = N_("Your jobs, page {page}:") if history.page > 1 else N_("Your latest jobs:")
    return text(sentence, locale, **facts)


def _nothing(history: History, locale: str) -> str:
    """Return why a page is empty, and what to do next."""
    if history.page > 1:
        return text(N_("There is no page {page}. /mine shows the first one."), locale, page=history.page)
    if history.search:
        sentence = N_("I found no job of yours with “{search}”. Try fewer or other words.")
        return text(sentence, locale, search=history.search)
    if history.only_favourites:
        sentence = N_("You have no favourites yet. Press ★ under a picture, or send /favourite and a job.")
        return text(sentence, locale)
    if history.hidden:
        return ""
    return text(N_("You have no pictures yet. Send me a sentence and I'll draw it."), locale)


def format_history_entry(entry: HistoryEntry, locale: str) -> str:
    """Return one job of a history, on one line."""
    return join_facts(
        [
            entry.job_id,
            _stars(entry),
            text(STATES[entry.state], locale),
            shorten(entry.recipe.typed, PROMPT_IN_LIST_CHARS),
            format_triggers(entry.recipe, locale),
            text(N_("seed {seeds}"), locale, seeds=entry.recipe.seed),
            format_lineage(entry.lineage, locale),
            format_code(entry.recipe, locale),
            text(N_("pictures expired"), locale) if entry.missing else "",
            text(N_("originals expired"), locale) if entry.previews else "",
        ]
    )


def _stars(entry: HistoryEntry) -> str:
    """Return the mark of favourites, with the numbers of the pictures if the job has several."""
    if not entry.favourites:
        return ""
    if entry.recipe.count == 1:
        return FAVOURITE_MARK
    return f"{FAVOURITE_MARK} {', '.join(str(index + 1) for index in entry.favourites)}"


def format_export(export: ExportReady, locale: str) -> str:
    """Return what is in the files, and what is not."""
    packed = N_("Your pictures and settings, as ZIP files. Pictures: {count}. Files: {parts}.")
    sentences = [text(packed, locale, count=export.pictures, parts=len(export.parts))]
    if export.left_out:
        sentence = N_(
            "{left_out} older pictures did not fit into what this chat takes. The host can give them to "
            "you, or the page on the bot's own machine."
        )
        sentences.append(text(sentence, locale, left_out=export.left_out))
    if export.expired:
        sentence = N_(
            "{expired} pictures are gone from the host's disk or damaged; their settings are in the file."
        )
        sentences.append(text(sentence, locale, expired=export.expired))
    return "\n".join(sentences)


def format_favourite(outcome: FavouriteSet, locale: str) -> str:
    """Return that a picture is a favourite now, or no longer."""
    number = None if outcome.index is None else outcome.index + 1
    if outcome.on:
        sentence = N_("★ Job {job_id} is among your favourites; /mine favourites shows them.")
        if number:
            sentence = N_(
                "★ Picture {number} of job {job_id} is among your favourites; /mine favourites shows them."
            )
    else:
        sentence = N_("Job {job_id} is no longer among your favourites.")
        if number:
            sentence = N_("Picture {number} of job {job_id} is no longer among your favourites.")
    return text(sentence, locale, job_id=outcome.job_id, number=number)
