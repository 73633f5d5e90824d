"""Errors at the end of a command: a sentence for each that the host can act on."""

from collections.abc import Callable

from bot import messages
from bot.errors import SugarbotError
from engine.errors import EngineError
from engine.printable import printable


def explained(error: Exception, tell: Callable[[str], object], locale: str) -> Exception | None:
    """Print a sentence for each known error, in groups too; return what nobody can act on, or None.

    Args:
        error: What ended the command.
        tell: Prints one sentence; control characters are already written out.
        locale: The host's language.
    """
    known: Exception | None
    unknown: Exception | None
    if isinstance(error, ExceptionGroup):
        known, unknown = error.split(_is_known)
    else:
        known, unknown = (error, None) if _is_known(error) else (None, error)
    for leaf in leaves(known) if known else ():
        tell(printable(messages.explain(leaf, locale), is_one_line=False))
    return unknown


def leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]


def _is_known(error: BaseException) -> bool:
    """Whether the host can act on it; an OSError without a number, such as a time-out, is our mistake."""
    if isinstance(error, OSError):
        return error.errno is not None
    return isinstance(error, SugarbotError | EngineError)
