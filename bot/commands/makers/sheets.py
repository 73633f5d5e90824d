"""Converts text and menu options to the commands of sheets; errors as in ``grammar``."""

import re
from collections.abc import Sequence

from bot.commands import marks
from bot.commands.flags import Scan, scan
from bot.commands.makers.drawing import read_switch
from bot.commands.reading import MAX_WORD_CHARS, index_of, lora_of, seed_of, size_of, weight_of
from bot.commands.table import ENTRY_OF, OFF
from bot.commands.table.sheets import COMPARE_OPTIONS
from bot.commands.text import clean
from bot.commands.values import MAX_CELLS, Adopt, Compare
from bot.errors import EmptyPrompt, MissingValue, TooManyCells

MAX_NUMBER_CHARS = 4  # of a picture: 第十二张; ids of jobs are longer
_BARS = str.maketrans("｜", "|")
_JOB = re.compile(r"[#＃]?([A-Za-z0-9_-]{1,40})")


def compare_of(
    prompt: str,
    *,
    loras: str | None = None,
    weights: str | None = None,
    seeds: str | None = None,
    size: str | None = None,
    private: bool | None = None,
    spoiler: bool | None = None,
    dry: bool | None = None,
    again: bool | None = None,
) -> Compare:
    """Return the comparison of menu options; options inside the prompt count too, and an argument wins.

    Raises:
        NotUnderstood: EmptyPrompt, BadWeight, BadSeed, BadSize, MissingValue, TooManyCells.
    """
    found = scan(clean(prompt), COMPARE_OPTIONS)
    given = {"loras": loras, "weights": weights, "seeds": seeds, "size": size}
    values = {name: clean(typed) for name, typed in given.items() if typed and typed.strip()}
    switches = {"private": private, "spoiler": spoiler, "dry": dry, "again": again}
    values |= {name: "" if is_on else OFF for name, is_on in switches.items() if is_on is not None}
    return _compare(found, values)


def compare_text(rest: str) -> Compare:
    """Return the comparison of a typed command. Raises as ``compare_of``."""
    return _compare(scan(rest, COMPARE_OPTIONS), {})


def adopt_of(picture: str | int, job: str | None = None) -> Adopt:
    """Return the choice of a picture, which people count from 1.

    Raises:
        BadPicture: It is no number of a picture.
    """
    return Adopt((job or "").strip().lstrip("#＃")[:MAX_WORD_CHARS], index_of(str(picture)))


def adopt_text(rest: str) -> Adopt:
    """Return the choice of a typed command: ``2``, or ``k3f9 2`` in any order.

    Raises:
        MissingValue: There is no number.
        BadPicture: As ``adopt_of``.
    """
    words = rest.split()[:2]
    if not words:
        raise MissingValue(flag="/adopt", example=ENTRY_OF[Adopt].usage)
    if len(words) == 1:
        return adopt_of(words[0])
    job, picture = sorted(words, key=lambda word: len(word) <= MAX_NUMBER_CHARS)
    return adopt_of(picture, job)


def is_meant(command_type: type[object], rest: str) -> bool:
    """Whether this text behind a Chinese word without a slash makes it a command of sheets, and no prose."""
    if command_type is Compare:
        return "|" in rest.translate(_BARS) or bool(scan(rest, COMPARE_OPTIONS).flags)
    if command_type is Adopt:
        return all(_JOB.fullmatch(word) for word in rest.split()) and len(rest.split()) <= 2
    return True


def _compare(found: Scan, chosen: dict[str, str]) -> Compare:
    typed = {name: _values(found, name) for name in ("loras", "weights", "seeds", "size")}
    values = typed | {name: _parts(each) for name, each in chosen.items() if name in typed}
    switches = {flag.option.name: flag.value for flag in found.flags} | chosen
    loras = values["loras"] or list(found.tags)
    prompts = [part.strip() for part in _split_prompts(found.prompt) if part.strip()]
    if not prompts:
        raise EmptyPrompt
    if (count := max(map(len, (prompts, loras, values["weights"], values["seeds"])))) > MAX_CELLS:
        raise TooManyCells(count=count, limit=MAX_CELLS)
    return Compare(
        tuple(prompts),
        loras=tuple(map(lora_of, loras)),
        weights=tuple(map(weight_of, values["weights"])),
        seeds=tuple(map(seed_of, values["seeds"])),
        size=size_of(values["size"][-1]) if values["size"] else None,
        private=read_switch("private", switches),
        spoiler=read_switch("spoiler", switches),
        dry=bool(read_switch("dry", switches)),
        again=bool(read_switch("again", switches)),
    )


def _values(found: Scan, name: str) -> list[str]:
    """Return all values of an option, which may be given more than once."""
    return [part for flag in found.flags if flag.option.name == name for part in _parts(flag.value)]


def _split_prompts(text: str) -> Sequence[str]:
    """Split at each bar, half- or full-width, that is not in braces: ``{red|rose} lips`` is one prompt."""
    parts, depth = [""], 0
    for character in text.translate(_BARS):
        depth = max(0, depth + (character == "{") - (character == "}"))
        if character == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _parts(values: str) -> list[str]:
    return [part.strip(' "“”') for part in marks.LIST_PART.findall(values) if part.strip(' "“”')]
