"""What people see of the shelf: one page of a search, with the refused files for hosts."""

from collections.abc import Sequence
from dataclasses import replace

from bot.commands.values import LoraList
from bot.desk.finding.words import cut_search
from bot.desk.loras.shelf import LoraShelf, Rule, summary_of
from bot.outcomes import LoraListing, LoraProblem, LoraState, LoraSummary
from engine.errors import EngineError
from engine.shelf import Rejected

PAGE = 25


def list_page(
    shelf: LoraShelf,
    command: LoraList,
    *,
    locale: str,
    default: str,
    may_use: Rule,
    refused: Sequence[Rejected],
) -> LoraListing:
    """Return the page; one behind the last page gives the last one.

    Args:
        shelf: The LoRAs.
        command: Search and page.
        locale: Of the titles that a search prefers.
        default: Of this chat; it comes first.
        may_use: Whether this person may use a LoRA.
        refused: Files to list behind the others; empty for people who are not hosts.
    """
    search = cut_search(command.search)  # to what the buttons of the page hold
    wanted = search.casefold()
    found = shelf.summaries(may_use)
    if search:
        found = shelf.search(search, locale, may_use)
    ordered = sorted(found, key=lambda lora: lora.name != default)
    ordered += [
        replace(summary_of(each), state=LoraState.CHECKING)
        for each in shelf.files.checking.values()
        if may_use(each) and wanted in each.name.casefold()
    ]
    ordered += [
        LoraSummary(each.name, {}, "", 1.0, state=LoraState.REFUSED, problem=problem_of(each.error))
        for each in refused
        if wanted in each.name.casefold()
    ]
    pages = max(1, -(-len(ordered) // PAGE))
    page = min(command.page, pages)
    shown = tuple(ordered[(page - 1) * PAGE : page * PAGE])
    return LoraListing(shown, default, search, page=page, pages=pages, total=len(ordered))


def problem_of(error: EngineError) -> LoraProblem:
    """Return an error of the engine as a value that can be stored and translated."""
    facts = {name: str(fact) for name, fact in error.facts.items()}
    return LoraProblem(type(error).__name__, {**facts, "detail": str(error)})
