r"""Draws one of the alternatives of a prompt: ``{red|rose} lips`` becomes ``rose lips``.

Each picture of a batch draws for itself, by its own seed: the same text with the same seed is the same
prompt, for ever and on every machine. Alternatives may be empty and may contain alternatives. ``__lips__``
means any suggestion of that face slot. Braces without a bar are prose, and so is what an odd number of
backslashes precedes: ``\{a\|b\}``. Full-width braces and bars count too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from bot.commands.prompts.face import SUGGESTED, slot_of_wildcard
from bot.commands.text import join_parts, missing_triggers

MAX_DEPTH = 8  # braces within braces; deeper ones are prose
MARK = re.compile(r"(?P<backslashes>\\*+)(?P<mark>[{}|｛｝｜]|__[^\W_]{1,16}__)")
"""Every text with alternatives contains it."""
_OPEN, _BAR, _CLOSE = "{｛", "|｜", "}｝"


@dataclass(frozen=True, slots=True)
class DrawnText:
    """A text with one of each alternatives; ``choices`` are those, without the ones within others."""

    text: str = field(repr=False)
    choices: tuple[str, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class _Group:
    """An open brace: the alternatives before the last bar, and the pieces of the present one."""

    brace: str
    number: int
    alternatives: list[str] = field(default_factory=list)
    bars: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)

    def as_prose(self, end: str) -> str:
        """Return what was typed, for braces that have no bar or are never closed."""
        parts = [*self.alternatives, "".join(self.pieces)]
        return self.brace + parts[0] + "".join(map("".join, zip(self.bars, parts[1:], strict=True))) + end


def draw_alternatives(text: str, seed: int) -> DrawnText:
    """Return the text with one of each alternatives, chosen by ``seed``."""
    groups = [_Group("", 0)]
    position = number = depth = 0
    for mark in MARK.finditer(text):
        group, found, backslashes = groups[-1], mark["mark"], len(mark["backslashes"])
        group.pieces.append(text[position : mark.start()] + "\\" * (backslashes // 2))
        position = mark.end()
        if backslashes % 2:
            group.pieces.append(found)
        elif found[0] == "_":
            group.pieces.append(_draw_wildcard(found, seed, number := number + 1, group.choices))
        elif found in _OPEN and len(groups) <= MAX_DEPTH:
            groups.append(_Group(found, number := number + 1))
        elif found in _OPEN:
            depth += 1
            group.pieces.append(found)
        elif found in _CLOSE and depth:
            depth -= 1
            group.pieces.append(found)
        elif found in _BAR and len(groups) > 1 and not depth:
            group.alternatives.append("".join(group.pieces))
            group.bars.append(found)
            group.pieces = []
        elif found in _CLOSE and len(groups) > 1:
            _close(groups, found, seed)
        else:
            group.pieces.append(found)
    groups[-1].pieces.append(text[position:])
    while len(groups) > 1:  # never closed
        open_group = groups.pop()
        groups[-1].pieces.append(open_group.as_prose(""))
        groups[-1].choices += open_group.choices
    return DrawnText("".join(groups[0].pieces).strip(), tuple(groups[0].choices))


def has_alternatives(text: str) -> bool:
    """Whether a seed decides about the text, or a backslash in it is not drawn."""
    drawn = draw_alternatives(text, 0)
    return bool(drawn.choices) or drawn.text != text


def compose_alternatives(typed: str, triggers: Sequence[str], seeds: Sequence[int]) -> tuple[str, ...]:
    """Return the text to draw with each seed; empty if what was typed has no alternatives.

    Args:
        typed: What the person typed, as ``bot.commands.text.compose_prompt`` joins it.
        triggers: The LoRAs' triggers; each text gets those that it lacks.
        seeds: Of the pictures.
    """
    if not has_alternatives(typed):
        return ()
    drawn = [draw_alternatives(typed, seed).text for seed in seeds]
    return tuple(join_parts([*missing_triggers(triggers, [text]), *filter(None, [text])]) for text in drawn)


def escape(text: str) -> str:
    """Return a text that draws exactly this one."""
    return MARK.sub(lambda found: f"{2 * found['backslashes']}\\{found['mark']}", text)


def _close(groups: list[_Group], brace: str, seed: int) -> None:
    """End the innermost braces: their place takes one of the alternatives, or what was typed."""
    group, outer = groups.pop(), groups[-1]
    if not group.bars:
        outer.pieces.append(group.as_prose(brace))
        outer.choices += group.choices
        return
    alternatives = [*group.alternatives, "".join(group.pieces)]
    chosen = alternatives[_choose(seed, group.number, len(alternatives))]
    outer.pieces.append(chosen)
    outer.choices.append(chosen.strip())


def _draw_wildcard(typed: str, seed: int, number: int, choices: list[str]) -> str:
    """Return a suggestion of the slot that ``__lips__`` or ``__唇妆__`` names; other words are prose."""
    if (found := slot_of_wildcard(typed)) is None:
        return typed
    slot, column = found
    chosen = SUGGESTED[slot][_choose(seed, number, len(SUGGESTED[slot]))][column]
    choices.append(chosen)
    return chosen


def _choose(seed: int, number: int, count: int) -> int:
    """Return 0 … ``count`` - 1 for the braces of this number, evenly; a hash is the same everywhere."""
    return int.from_bytes(sha256(f"{seed} {number}".encode()).digest()[:8]) % count
