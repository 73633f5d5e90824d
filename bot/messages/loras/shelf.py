"""The messages about the shelf: its list, one LoRA, and what hosts changed."""

from bot.commands.render import lora_text
from bot.commands.values import LoraWish, Scope
from bot.errors import LoraRefused
from bot.languages import is_chinese, title_of
from bot.messages.catalogue import N_, join_facts, shorten, text
from bot.messages.refusals import format_error
from bot.outcomes import (
    AddStage,
    LoraAdded,
    LoraAdding,
    LoraChecked,
    LoraDetails,
    LoraFileOffered,
    LoraListing,
    LoraProblem,
    LoraRemoved,
    LoraState,
    LoraSummary,
    LoraSwitched,
    ShelfReloaded,
)
from engine.shelf.sidecar import LoraKind

ShelfOutcome = (
    LoraListing
    | LoraDetails
    | LoraSwitched
    | LoraAdded
    | LoraRemoved
    | LoraChecked
    | ShelfReloaded
    | LoraFileOffered
)

LIST_CHARS = 1_500  # leaves room in a Discord message, which holds 2,000
PAGE_LINES = 25  # of a page; an answer of another version may have more
MOST_NAMES = 10

KINDS: dict[LoraKind, str] = {
    LoraKind.FACE: N_("changes the face"),
    LoraKind.STYLE: N_("changes the style"),
    LoraKind.HELPER: N_("comes with other LoRAs by itself"),
}
_STATES: dict[LoraState, str] = {
    LoraState.USABLE: "",
    LoraState.CHECKING: N_("being checked"),
    LoraState.REFUSED: N_("refused"),
}


def format_shelf_outcome(outcome: ShelfOutcome, locale: str) -> str:
    """Return the message for an outcome, of one or a few lines."""
    match outcome:
        case LoraListing():
            return _listing(outcome, locale)
        case LoraDetails():
            return _details(outcome, locale)
        case LoraSwitched():
            return _switched(outcome, locale)
        case LoraAdded():
            sentence = N_(
                "{lora} is on the shelf ({size_mib} MiB, sha256 {hash}); every check took {seconds} s."
            )
            facts = {"lora": outcome.lora, "hash": outcome.sha256[:12], "seconds": outcome.seconds}
            shown = text(sentence, locale, size_mib=_mib(outcome.bytes), **_rounded(facts))
            return "\n".join([shown, _usage(outcome.lora, locale)])
        case LoraRemoved(lora=lora):
            return text(N_("{lora} is removed. Jobs that are already waiting keep it."), locale, lora=lora)
        case LoraChecked(lora=lora, problem=problem):
            if problem is not None:
                return _problem(problem, lora, locale)
            sentence = N_("{lora} passes every check; that took {seconds} s.")
            return text(sentence, locale, **_rounded({"lora": lora, "seconds": outcome.seconds}))
        case ShelfReloaded():
            return _reloaded(outcome, locale)
        case LoraFileOffered(name=name):
            sentence = N_(
                "Shall I put {name} on the shelf? Reply to your file with /lora add, or send it again with "
                "/lora add as its text."
            )
            return text(sentence, locale, name=name)


def _listing(shelf: LoraListing, locale: str) -> str:
    if not shelf.loras:
        if shelf.search:
            nothing = N_("No LoRA matches “{search}”. /loras shows all of them.")
            return text(nothing, locale, search=shelf.search)
        return text(
            N_("There are no LoRAs yet. The host can put .safetensors files into the LoRA folder."), locale
        )
    lines = [lora_line(lora, locale, is_default=lora.name == shelf.default) for lora in shelf.loras]
    lines = _fitted(lines)
    if len(lines) > PAGE_LINES:
        lines[PAGE_LINES:] = [text(N_("… and {count} more"), locale, count=len(lines) - PAGE_LINES)]
    first = text(N_("LoRAs:"), locale)
    if shelf.pages > 1:
        page = N_("LoRAs, page {page} of {pages} ({total} in all):")
        first = text(page, locale, page=shelf.page, pages=shelf.pages, total=shelf.total)
    usable = next((lora for lora in shelf.loras if lora.state is LoraState.USABLE), None)
    last = []
    if usable is not None:
        last.append(_usage(usable.name, locale))
    if shelf.page < shelf.pages:
        more = " ".join(["/loras", *([shelf.search] if shelf.search else []), f"--page {shelf.page + 1}"])
        last.append(text(N_("More: {usage}"), locale, usage=more))
    return "\n".join([first, *lines, *last])


def _fitted(lines: list[str]) -> list[str]:
    """Shorten the longest lines alone, and as little as makes all of them fit."""
    left, chars = len(lines), LIST_CHARS
    for length in sorted(map(len, lines)):
        if left * length > chars:
            return [shorten(line, chars // left) for line in lines]
        left, chars = left - 1, chars - length
    return lines


def lora_line(lora: LoraSummary, locale: str, *, is_default: bool) -> str:
    """Return one LoRA of a list: name, title, weight and trigger, or why its file cannot be used."""
    if lora.problem is not None:
        return join_facts(
            [
                lora.name,
                text(_STATES[lora.state], locale),
                shorten(_problem(lora.problem, lora.name, locale), LIST_CHARS),
            ]
        )
    return join_facts(
        [
            lora.name,
            _title(lora, locale),
            text(N_("weight {weight}"), locale, weight=lora.weight),
            text(N_("trigger “{trigger}”"), locale, trigger=lora.trigger) if lora.trigger else "",
            text(N_("the default here"), locale) if is_default else "",
            text(_STATES[lora.state], locale) if lora.state is not LoraState.USABLE else "",
        ]
    )


def _usage(name: str, locale: str) -> str:
    """Return what to type, with quotes if the name needs them; never shortened, so that it can be copied."""
    space = "" if is_chinese(locale) else " "
    return text(N_("To use one:"), locale) + space + lora_text(LoraWish(name))


def _title(lora: LoraSummary, locale: str) -> str:
    title = title_of(lora.titles, locale)
    return title if title != lora.name else ""


def _details(details: LoraDetails, locale: str) -> str:
    lora = details.lora
    facts = [
        text(KINDS[details.kind], locale),
        text(N_("weight {weight}"), locale, weight=lora.weight),
        text(N_("trigger “{trigger}”"), locale, trigger=lora.trigger) if lora.trigger else "",
        text(N_("{steps} steps"), locale, steps=details.steps) if details.steps else "",
        text(N_("with {helpers}"), locale, helpers=details.helpers) if details.helpers else "",
        text(N_("shows a real person"), locale) if details.depicts_person else "",
        text(N_("the default here"), locale) if details.is_default else "",
    ]
    lines = [join_facts([lora.name, _title(lora, locale)]), join_facts(facts)]
    if details.facts is not None:
        file = N_("{size_mib} MiB, rank {rank}, sha256 {hash}")
        size_mib, hashed = _mib(details.facts.bytes), details.facts.sha256[:12]
        lines.append(text(file, locale, size_mib=size_mib, rank=details.facts.rank, hash=hashed))
    if details.strip:
        lines.append(text(N_("The same face without it, at 0.5 and at 1:"), locale))
    else:
        lines.append(text(N_("I can't draw a preview right now."), locale))
    lines.append(_usage(lora.name, locale))
    return "\n".join(lines)


def working_on_it(locale: str, progress: LoraAdding | None = None) -> str:
    """Return what a chat shows until a command that takes long is answered."""
    if progress is None:
        return text(N_("Working on it …"), locale)
    facts = {"name": progress.name, "received": _mib(progress.bytes), "total": _mib(progress.total_bytes)}
    match progress.stage:
        case AddStage.DOWNLOAD if progress.total_bytes:
            return text(N_("Reading {name}: {received} of {total} MiB …"), locale, **facts)
        case AddStage.DOWNLOAD:
            return text(N_("Reading {name}: {received} MiB …"), locale, **facts)
        case AddStage.CHECK:
            return text(N_("Checking the layers and numbers of {name} …"), locale, **facts)
        case AddStage.TRIAL:
            return text(N_("Drawing a trial picture with {name} …"), locale, **facts)


def preview_name(lora: str, locale: str) -> str:
    """Return what the preview strip shows, for people who cannot see it."""
    return text(N_("The same face without {lora}, at 0.5 and at 1"), locale, lora=lora)


_SWITCHED = {
    (Scope.CHAT, True, True): N_("This chat has no default of its own any more. It uses no LoRA."),
    (Scope.CHAT, True, False): N_(
        "This chat has no default of its own any more. It uses {lora} at weight {weight}."
    ),
    (Scope.CHAT, False, True): N_("This chat now uses no LoRA."),
    (Scope.CHAT, False, False): N_("This chat now uses {lora} at weight {weight}."),
    (Scope.BOT, True, True): N_("Chats without their own default follow the settings again: no LoRA."),
    (Scope.BOT, True, False): N_("Chats without their own default follow the settings again: {lora}."),
    (Scope.BOT, False, True): N_("Chats without their own default now use no LoRA."),
    (Scope.BOT, False, False): N_("Chats without their own default now use {lora} at weight {weight}."),
}
"""Scope, whether the default was reset, whether no default is left → the sentence."""


def _switched(switched: LoraSwitched, locale: str) -> str:
    sentence = _SWITCHED[switched.scope, switched.is_reset, switched.lora in ("", "none")]
    facts = {"lora": switched.lora, "weight": switched.weight}
    before = switched.before or text(N_("no LoRA"), locale)
    took = N_("Before: {before}. The trial picture and the switch took {seconds} s.")
    return "\n".join(
        [
            text(sentence, locale, **facts),
            text(took, locale, **_rounded({"before": before, "seconds": switched.seconds})),
            text(N_("Jobs that are already waiting keep their LoRA."), locale),
        ]
    )


def _reloaded(shelf: ShelfReloaded, locale: str) -> str:
    first = N_("I read the LoRA folder in {seconds} s: {usable} can be used.")
    lines = [text(first, locale, **_rounded({"seconds": shelf.seconds, "usable": shelf.usable}))]
    for sentence, names in (
        (N_("New or changed: {names}"), shelf.new),
        (N_("Gone: {names}"), shelf.gone),
        (N_("Refused: {names}. /lora check and a name says why."), shelf.refused),
    ):
        if names:
            lines.append(text(sentence, locale, names=_some(names, locale)))
    return "\n".join(lines)


def _some(names: tuple[str, ...], locale: str) -> tuple[str, ...]:
    if len(names) <= MOST_NAMES:
        return names
    rest = text(N_("… and {count} more"), locale, count=len(names) - MOST_NAMES)
    return (*names[:MOST_NAMES], rest)


def _problem(problem: LoraProblem, name: str, locale: str) -> str:
    return format_error(LoraRefused(**{**problem.facts, "name": name, "reason": problem.reason}), locale)


def _mib(size: int) -> float:
    return round(size / 2**20, 1)


def _rounded(facts: dict[str, object]) -> dict[str, object]:
    return {name: round(fact, 1) if isinstance(fact, float) else fact for name, fact in facts.items()}
