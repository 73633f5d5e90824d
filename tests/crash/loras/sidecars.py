"""Sidecars as an attacker writes them: fields, values, nesting, and bytes that are no TOML."""

from collections.abc import Callable
from random import Random

from engine.errors import LoraSidecarRefused
from engine.shelf.sidecar import MAX_BYTES, parse_sidecar

VALID = (
    """trigger = "Sugar面部"
weight = 0.8
least_weight = 0.0
most_weight = 1.2
steps = 4
kind = "face"
helpers = ["soft light:0.5", "pen"]
source = "https://example.org/sugar"
licence = "CC BY 4.0"
base = "Z-Image-Turbo"
depicts_person = true
consent = "Agreed in writing."
owner = "discord:112233445566778899"
people = ["telegram:987654321", "web:*"]
chats = ["discord:998877665544332211"]
expires = 2027-01-01
sha256 = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"

[titles]
en = "Sugar face"
zh-CN = "Sugar 面部"
""",
    "",
    'expires = 2027-01-01T00:00:00+08:00\ntitles = {en = "A", zh-CN = "一"}\n',
)
FIELDS = (
    "titles", "trigger", "weight", "least_weight", "steps", "kind", "helpers", "depicts_person", "owner",
    "people", "chats", "expires", "sha256", "unknown", "a.b.c", '""', '"\\u0000"', "'\x1b[31m'", "\u202e",
)  # fmt: skip
VALUES = (
    "nan", "inf", "-inf", "1e308", "1e999", "9" * 4_000, "0x" + "f" * 9_000, "-0.0", "true", '""', "''",
    '"\\ud800"', '"\\U0010ffff"', '"\\u0000"', '"\x00"', '"' + "a" * 9_000 + '"', '"""\n\n"""', "[]", "{}",
    "[[[]]]", '["telegram:1", 2]', '["*:*"]', '["telegram:*:*"]', '["../x:1e9"]', '["pen:nan"]', "{a={b=1}}",
    "0000-00-00", "9999-12-31T23:59:60Z", "2027-01-01T00:00:00", "24:00:00", "1979-05-27 07:32:00",
)  # fmt: skip
NESTED = (("[", "]"), ("{a=", "}"))


def mutated(random: Random) -> tuple[str, bytes]:
    """Return a sidecar with one to four changes, and their names."""
    text, names = random.choice(VALID), []
    for _ in range(random.randint(1, 4)):
        change = random.choice(CHANGES)
        names.append(change.__name__)
        text = change(text, random)
    content = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.2:
        names.append("bytes")
        content = _bytes_changed(content, random)
    return ", ".join(names), content[: MAX_BYTES + random.choice((0, 1))]


def parse(content: bytes) -> str:
    """Return how the shelf ends with a sidecar; any other error is the finding."""
    try:
        parse_sidecar(content)
    except LoraSidecarRefused as error:
        str(error).encode()  # it can be shown
        return "refused"
    return "taken"


def another_value(text: str, random: Random) -> str:
    lines = [line for line in text.splitlines() if "=" in line] or ["weight = 1"]
    line = random.choice(lines)
    return text.replace(line, f"{line.partition('=')[0]}= {random.choice(VALUES)}", 1)


def another_field(text: str, random: Random) -> str:
    return f"{random.choice(FIELDS)} = {random.choice(VALUES)}\n{text}"


def one_twice(text: str, random: Random) -> str:
    lines = text.splitlines() or ["x = 1"]
    return "\n".join([*lines, random.choice(lines)])


def nested(text: str, random: Random) -> str:
    opening, closing = random.choice(NESTED)
    depth = random.choice((3, 100, 900, 5_000, 20_000))
    return f"{random.choice(FIELDS)} = {opening * depth}1{closing * random.choice((depth, 0))}\n{text}"


def many(text: str, random: Random) -> str:
    """Repeat something as often as a sidecar has room."""
    number = random.choice((10, 1_000, 1_001, 5_000, 60_000))
    match random.randrange(7):
        case 0:
            return "people = [" + ",".join(['"telegram:1"'] * number) + f"]\n{text}"
        case 1:
            return "\n".join(f"k{each} = {each}" for each in range(min(number, 9_000)))
        case 2:
            return "\n".join(f"[t{each}]" for each in range(min(number, 9_000)))
        case 3:
            return "\n".join(["[[titles]]"] * number)
        case 4:
            return f"{'.'.join(['a'] * number)} = 1\n{text}"
        case 5:
            return f"{text}{'#' * number}\n{' ' * number}\n"
        case _:
            return 'trigger = "' + r"\u00e9" * min(number, 9_000) + '"\n'


def strange_character(text: str, random: Random) -> str:
    place = random.randrange(len(text) + 1)
    return (
        text[:place]
        + chr(random.choice((0, 7, 10, 13, 0x7F, 0xD800, 0x202E, 0xFEFF, 0x10FFFF)))
        + text[place:]
    )


def one_missing(text: str, random: Random) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + text[place + random.randint(1, 9) :]


def _bytes_changed(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 16) if changed else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


CHANGES: tuple[Callable[[str, Random], str], ...] = (
    another_value, another_field, one_twice, nested, many, strange_character, one_missing,
)  # fmt: skip
