"""Parses the text behind a command about a job: which job, which of its pictures, and switches.

A short number is a picture, counted from 1; anything else is the job's id. Without an id the command is about
the person's newest job.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.commands.reading import index_of
from bot.commands.text import normalize
from bot.commands.values import Cancel, Command, Edit, Original, Pick, Repeat, Reroll

MAX_ID_CHARS = 64
_PICTURE = re.compile(r"\d{1,2}")


@dataclass(frozen=True, slots=True)
class _Words:
    """``index`` counts from 0; the first picture without a number."""

    job_id: str = ""
    index: int = 0
    switches: frozenset[str] = frozenset()


def _words_of(rest: str) -> _Words:
    job_id, index, switches = "", 0, set()
    for word in rest.split():
        plain = normalize(word)
        if plain.startswith("--"):
            switches.add(plain.removeprefix("--"))
        elif _PICTURE.fullmatch(plain):
            index = index_of(plain)
        elif not job_id:
            job_id = word.lstrip("#＃")[:MAX_ID_CHARS]
    return _Words(job_id, index, frozenset(switches))


def _whole(kind: type[Any]) -> Callable[[str], Command]:
    """Make commands about a whole job."""
    return lambda rest: kind(_words_of(rest).job_id)


def _pick(rest: str) -> Pick:
    words = _words_of(rest)
    return Pick(words.job_id, words.index)


def _cancel(rest: str) -> Cancel:
    return Cancel(rest.split()[0].lstrip("#＃")[:MAX_ID_CHARS] if rest else "")


JOB_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    Cancel: _cancel,
    Reroll: _whole(Reroll),
    Repeat: _whole(Repeat),
    Pick: _pick,
    Edit: _whole(Edit),
    Original: _whole(Original),
}
"""The parser of each command about a job: the text behind its name → the command."""
