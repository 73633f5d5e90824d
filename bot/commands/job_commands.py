"""Parses the text behind a command about a job: which job, which of its pictures, and switches.

A short number is a picture, counted from 1; anything else is the job's id. Without an id the command is about
the person's newest job, except for commands that cannot be undone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.commands.reading import index_of
from bot.commands.table import ENTRY_OF
from bot.commands.text import normalize
from bot.commands.values import (
    Adopt,
    Cancel,
    Command,
    Delete,
    Edit,
    Enlarge,
    Favourite,
    ListReports,
    Original,
    Pick,
    Publish,
    Repeat,
    Report,
    Reroll,
    ShowRecipe,
    Vary,
)
from bot.errors import MissingValue

MAX_ID_CHARS = 64
_STRONG = frozenset({"strong", "强"})
_PICTURE = re.compile(r"\d{1,2}")


@dataclass(frozen=True, slots=True)
class JobWords:
    """Which job, and which picture of it: ``index`` counts from 0, and is 0 without a number."""

    job_id: str = ""
    index: int = 0
    switches: frozenset[str] = frozenset()
    has_picture: bool = False


def words_about_job(rest: str) -> JobWords:
    """Read a job's id, the number of a picture and switches, in any order.

    Raises:
        BadPicture: The number names no picture.
    """
    job_id, switches = "", set()
    index: int | None = None
    for word in rest.split():
        plain = normalize(word)
        if plain.startswith("--"):
            switches.add(plain.removeprefix("--"))
        elif _PICTURE.fullmatch(plain):
            index = index_of(plain)
        elif not job_id:
            job_id = word.lstrip("#＃")[:MAX_ID_CHARS]
    return JobWords(job_id, index or 0, frozenset(switches), index is not None)


def _whole(kind: type[Any]) -> Callable[[str], Command]:
    """Make commands about a whole job."""
    return lambda rest: kind(words_about_job(rest).job_id)


def _named(kind: type[Any]) -> Callable[[str], Command]:
    """Make commands about a job that a person must name."""

    def make(rest: str) -> Command:
        """Return the command, or raise MissingValue for a text without a job."""
        job_id = words_about_job(rest).job_id
        if not job_id:
            entry = ENTRY_OF[kind]
            raise MissingValue(flag=f"/{entry.name}", example=entry.usage)
        command: Command = kind(job_id)
        return command

    return make


def _one(kind: type[Any]) -> Callable[[str], Command]:
    """Make commands about one picture of a job."""

    def make(rest: str) -> Command:
        """Return the command for the job and the picture that the text names."""
        words = words_about_job(rest)
        command: Command = kind(words.job_id, words.index)
        return command

    return make


def _vary(rest: str) -> Vary:
    words = words_about_job(rest)
    return Vary(words.job_id, words.index, strong=not words.switches.isdisjoint(_STRONG))


def _cancel(rest: str) -> Cancel:
    return Cancel(rest.split()[0].lstrip("#＃")[:MAX_ID_CHARS] if rest else "")


JOB_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    Cancel: _cancel,
    Reroll: _whole(Reroll),
    Repeat: _whole(Repeat),
    Vary: _vary,
    Enlarge: _one(Enlarge),
    Pick: _one(Pick),
    Edit: _whole(Edit),
    Original: _whole(Original),
    Publish: _named(Publish),
    Delete: _named(Delete),
    Report: _named(Report),
    ListReports: lambda _: ListReports(),
}
"""The parser of each command about a job: the text behind its name → the command."""

ABOUT_JOBS = frozenset({*JOB_MAKERS, Favourite, ShowRecipe, Adopt} - {ListReports})
"""The commands that a reply to a picture may leave without a job."""


def with_job(command_type: type[Command], rest: str, job_id: str, index: int | None) -> str:
    """Return the text behind a command with the job, and the picture, that it does not name itself.

    Raises:
        BadPicture: The number names no picture.
    """
    words = words_about_job(rest)
    if words.job_id or (command_type is Adopt and not words.has_picture):
        return rest
    number = "" if index is None or words.has_picture or command_type is ShowRecipe else str(index + 1)
    return " ".join(filter(None, (job_id, number, rest)))
