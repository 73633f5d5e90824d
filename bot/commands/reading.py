"""From the text of one option to its value; each raises the error that names what was typed."""

import re

from bot.commands.cleaning import clean, plain
from bot.commands.values import MAX_COUNT, MAX_WEIGHT, LoraWish, PixelSize, Ratio, Size
from bot.errors import BadCount, BadSeed, BadSize, BadWeight, MissingValue
from engine.request import MAX_SEED

NO_LORA = "none"

_NUMERAL = re.compile("(?:(?P<tens>[一二三四五六七八九])?(?P<ten>十))?(?P<ones>[零一二三四五六七八九])?")
_DIGITS = "零一二三四五六七八九"
_ALSO = str.maketrans("〇两兩", "零二二")
_SIZE = re.compile(r"([1-9][0-9]{0,4})\s*([:x*比])\s*([1-9][0-9]{0,4})")  # five digits: no card draws more
_WHOLE = re.compile(r"[0-9]{1,10}")  # as many as MAX_SEED has
_DECIMAL = re.compile(r"[+-]?([0-9]{1,6}(\.[0-9]{0,6})?|\.[0-9]{1,6})")
_NO_LORA_WORDS = frozenset({NO_LORA, "off", "无", "無", "不用"})
_LORA_EXAMPLE = "--lora sugar:0.8"


def size_of(text: str) -> Size:
    """``2:3`` → a shape, ``512x768`` → pixels; full-width, ``×``, ``*``, ``比`` and ``三比四`` as well.

    Raises:
        BadSize: Neither, or one side is zero. Whether a model can draw it is not asked here.
    """
    sides = re.split("([:比])", plain(text))
    found = _SIZE.fullmatch("".join(map(_number, sides)))
    if found is None:
        raise BadSize(text=text)
    width, height = int(found[1]), int(found[3])
    return Ratio(width, height) if found[2] in ":比" else PixelSize(width, height)


def seed_of(text: str) -> int:
    """A whole number from 0 to ``MAX_SEED``, or BadSeed."""
    number = _number(plain(text))
    if not _WHOLE.fullmatch(number) or int(number) > MAX_SEED:
        raise BadSeed(text=text, limit=MAX_SEED)
    return int(number)


def count_of(text: str) -> int:
    """A whole number from 1 to ``MAX_COUNT``, or BadCount; ``4张`` and ``四张`` count too."""
    number = _number(plain(text).removesuffix("张").removesuffix("張"))
    if not _WHOLE.fullmatch(number) or not 1 <= int(number) <= MAX_COUNT:
        raise BadCount(text=text, limit=MAX_COUNT)
    return int(number)


def weight_of(text: str) -> float:
    """A decimal number within ± ``MAX_WEIGHT``, to three places, or BadWeight."""
    number = plain(text)
    if not _DECIMAL.fullmatch(number) or abs(float(number)) > MAX_WEIGHT:
        raise BadWeight(text=text, limit=MAX_WEIGHT)
    return round(float(number), 3) + 0.0  # no -0.0


def _number(text: str) -> str:
    """A Chinese numeral below 100 in digits: ``十六`` → ``16``; any other text as it is."""
    found = _NUMERAL.fullmatch(text.strip().translate(_ALSO))
    if not found or not found[0]:
        return text
    tens = _DIGITS.index(found["tens"] or "一") if found["ten"] else 0
    return str(10 * tens + _DIGITS.index(found["ones"] or "零"))


def is_number(text: str) -> bool:
    """Whether a word can only be meant as a number."""
    return _DECIMAL.fullmatch(plain(text)) is not None


def lora_of(text: str) -> LoraWish:
    """``sugar`` or ``sugar:0.8``; the name keeps its capitals and signs. ``none``, ``无``: no LoRA.

    Raises:
        MissingValue: There is no name.
        BadWeight: What follows the last colon is no weight.
    """
    name, colon, weight = text.replace("：", ":").rpartition(":")
    if not colon:
        name, weight = text, ""
    name = words_of(name)
    if not name or (colon and not weight.strip()):
        raise MissingValue(flag=text, example=_LORA_EXAMPLE)
    if plain(name) in _NO_LORA_WORDS:
        return LoraWish(NO_LORA)
    return LoraWish(name, weight_of(weight) if colon else None)


def words_of(text: str) -> str:
    """A name or the words of a face slot; double quotes become single ones, as they enclose both in text."""
    return clean(text.replace('"', "'"))
