"""Reads the text of a picture's settings, as AUTOMATIC1111's web UI writes it and this bot too.

The prompt comes first, with LoRA tags in it; then, perhaps, lines that begin with ``Negative prompt:``; then
one line of ``Key: value`` pairs, where a value with a comma is a JSON string. The web UI reads a last line
with fewer than three pairs as prompt, and so does this (its ``infotext_utils.py``). Every text gives a
result, and each character is read a fixed number of times.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_LINE_CHARS = 16_384  # the line of pairs; the web UI's longest, with hashes of many LoRAs, have 4,000
MAX_TAGS = 64  # of LoRAs; more are left in the prompt
LEAST_PAIRS = 3

_NEGATIVE = "Negative prompt:"
_KEY = re.compile(r"\w[\w \-/]{0,63}")
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_WHOLE = re.compile(r"[0-9]{1,10}")
_DECIMAL = re.compile(r"-?(?:[0-9]{1,6}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")
_TAG = re.compile(
    r" ?<(?P<kind>lora|lyco|hypernet):(?P<name>[^<>:]{1,255})(?P<numbers>(?::[^<>:]{0,32}){0,4})>",
    re.IGNORECASE,
)
_HEX = re.compile(r"[0-9a-fA-F]{8,64}")


@dataclass(frozen=True, slots=True)
class LoraTag:
    """A LoRA of the picture; ``hash`` is what the text says of its file, in hex, or empty."""

    name: str
    weight: float
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The settings of one picture, as the text has them; what it lacks is empty or None.

    Attributes:
        prompt: Without LoRA tags.
        negative: The negative prompt.
        facts: All pairs of the last line, in order.
    """

    prompt: str = field(repr=False)
    negative: str = field(default="", repr=False)
    facts: tuple[tuple[str, str], ...] = ()
    loras: tuple[LoraTag, ...] = ()
    hypernets: tuple[str, ...] = ()
    seed: int | None = None
    steps: int | None = None
    size: tuple[int, int] | None = None

    def fact(self, key: str) -> str:
        """Return a value of the last line; empty without it."""
        return dict(self.facts).get(key, "")


def parse_parameters(text: str) -> Parameters:
    """Read the text of the settings."""
    before, _, line = text.strip().rpartition("\n")
    facts = tuple(_pairs(line[:MAX_LINE_CHARS]))
    if len(facts) < LEAST_PAIRS:
        before, facts = text.strip(), ()
    prompt, negative = _split_negative(before)
    known = dict(facts)
    prompt, loras, hypernets = _take_tags(prompt, known.get("Lora hashes", ""))
    size = _SIZE.fullmatch(known.get("Size", ""))
    return Parameters(
        prompt=prompt,
        negative=negative,
        facts=facts,
        loras=loras,
        hypernets=hypernets,
        seed=_whole(known.get("Seed", "")),
        steps=_whole(known.get("Steps", "")),
        size=(int(size[1]), int(size[2])) if size else None,
    )


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a line; text between commas that is no pair is passed over."""
    at = 0
    while at < len(line):
        colon, comma = line.find(":", at), line.find(",", at)
        if colon < 0:
            return
        if -1 < comma < colon:
            at = comma + 1
            continue
        key = line[at:colon].strip()
        value, at = _value(line, colon + 1)
        if _KEY.fullmatch(key):
            yield key, value


def _value(line: str, at: int) -> tuple[str, int]:
    """Return the value that begins at ``at``, and where the next pair begins."""
    while at < len(line) and line[at] == " ":
        at += 1
    if line[at : at + 1] == '"':
        end = at + 1
        while end < len(line) and line[end] != '"':
            end += 2 if line[end] == "\\" else 1
        if end < len(line):
            comma = line.find(",", end + 1)
            return _unquoted(line[at : end + 1]), len(line) if comma < 0 else comma + 1
    comma = line.find(",", at)
    end = len(line) if comma < 0 else comma
    return line[at:end].strip(), end + 1


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted[1:-1]


def _split_negative(text: str) -> tuple[str, str]:
    lines = [line.strip() for line in text.split("\n")]
    begin = next((number for number, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(lines[begin:]).removeprefix(_NEGATIVE)
    return "\n".join(lines[:begin]).strip(), negative.strip()


def _take_tags(prompt: str, hashes: str) -> tuple[str, tuple[LoraTag, ...], tuple[str, ...]]:
    """Return the prompt without the tags of LoRAs, the LoRAs, and the names of hypernets.

    Of two tags with the same name, the last counts.
    """
    hash_of = dict(_hashes(hashes))
    loras: dict[str, LoraTag] = {}
    hypernets: list[str] = []

    def take(tag: re.Match[str]) -> str:
        """Collect the LoRA or the hypernet of this tag, and return its replacement: nothing."""
        name = tag["name"].strip()
        if tag["kind"].lower() == "hypernet":
            hypernets.append(name)
        else:
            numbers = [part for part in tag["numbers"].split(":")[1:] if _DECIMAL.fullmatch(part.strip())]
            weight = float(numbers[0]) if numbers else 1.0
            loras[name] = LoraTag(name, weight, hash_of.get(name, ""))
        return ""

    rest = _TAG.sub(take, prompt, count=MAX_TAGS)
    return rest.strip(), tuple(loras.values()), tuple(hypernets)


def _hashes(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and hash of each LoRA; a name may hold commas."""
    parts: list[str] = []
    for part in text.split(","):
        parts.append(part)
        name, colon, value = part.rpartition(":")
        if colon and _HEX.fullmatch(value.strip()):
            yield ",".join([*parts[:-1], name]).strip(), value.strip().lower()
            parts = []


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None
