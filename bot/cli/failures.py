"""Prints errors at the end of a command: one sentence for each error that the host can act on."""

from collections.abc import Callable

from bot import messages
from bot.errors import SugarbotError
from engine.errors import EngineError
from engine.formatting import printable


def print_known_errors(
    error: Exception, print_line: Callable[[str], object], locale: str
) -> Exception | None:
    """Print a sentence for each known error, also in groups; return the unknown rest, or None.

    Args:
        error: What ended the command.
        print_line: Prints one sentence, in which control characters are already escaped.
        locale: The host's language.
    """
    known: Exception | None
    unknown: Exception | None
    if isinstance(error, ExceptionGroup):
        known, unknown = error.split(_is_known)
    else:
        known, unknown = (error, None) if _is_known(error) else (None, error)
    for leaf in flatten(known) if known else ():
        print_line(printable(messages.format_error(leaf, locale), is_one_line=False))
    return unknown


def flatten(error: BaseException) -> list[BaseException]:
    """The single errors of a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in flatten(part)]
    return [error]


def _is_known(error: BaseException) -> bool:
    """Whether the host can act on it; an OSError without a number, such as a time-out, is our mistake."""
    if isinstance(error, OSError):
        return error.errno is not None
    return isinstance(error, SugarbotError | EngineError)
