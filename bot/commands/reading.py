"""Converts the text of one option to its value; errors name what was typed. Link codes too."""

import re
import unicodedata
from random import Random

from bot.commands.text import clean, normalize
from bot.commands.values import MAX_CELLS, MAX_COUNT, MAX_WEIGHT, LoraWish, PixelSize, Ratio, Size
from bot.errors import (
    BadCount,
    BadLanguage,
    BadPage,
    BadPicture,
    BadPresetName,
    BadSeed,
    BadSize,
    BadSubject,
    BadWeight,
    MissingValue,
)
from bot.languages import typed_forms
from engine.request import MAX_SEED

ASPECTS = (
    ("2:3", "portrait", "竖图"),
    ("1:1", "square", "方图"),
    ("3:2", "landscape", "横图"),
    ("3:4", "photo", "竖照"),
    ("4:3", "classic", "横照"),
    ("16:9", "wide", "宽屏"),
    ("9:16", "tall", "手机屏"),
    ("2:3", "vertical", "竖版"),
    ("1:1", "avatar", "头像"),
    ("3:2", "horizontal", "横版"),
    ("9:16", "phone", "长图"),
)
"""(shape, English, Chinese): the names that a size may have; menus show the first of each shape."""

LANGUAGES = (
    ("en", "english", "英文"),
    ("zh-CN", "chinese", "中文"),
    ("zh-CN", "simplified", "简体"),
    ("zh-TW", "taiwanese", "台湾中文"),
    ("zh-TW", "traditional", "繁体"),
    ("", "auto", "自动"),
)
"""(locale, English, Chinese): the names that a language may have."""

MAX_PRESET_NAME = 32
NO_LORA = "none"
DEFAULT_LORA = "default"
MAX_PAGE = 1_000
MAX_WORD_CHARS = 64  # of a search, or of a name in an error

OptionValue = str | int | float | None
"""The value of an option from a menu or form; None and blank text mean that it was left out."""

_NUMERAL = re.compile("(?:(?P<tens>[一二三四五六七八九])?(?P<ten>十))?(?P<ones>[零一二三四五六七八九])?")
_DIGITS = "零一二三四五六七八九"
_NUMERAL_VARIANTS = str.maketrans("〇两兩", "零二二")
_SIZE = re.compile(r"([1-9][0-9]{0,4})\s*([:x*比])\s*([1-9][0-9]{0,4})")  # five digits: no card draws more
_WHOLE = re.compile(r"[0-9]{1,10}")  # as many as MAX_SEED has
_DECIMAL = re.compile(r"[+-]?([0-9]{1,6}(\.[0-9]{0,6})?|\.[0-9]{1,6})")
_NO_LORA_WORDS = frozenset({NO_LORA, "off", "无", "無", "不用"})
_DEFAULT_WORDS = frozenset({DEFAULT_LORA, "默认", "預設", "默認"})
_SHAPE_OF = {form: shape for shape, *names in ASPECTS for name in names for form in typed_forms(name)}
_LANGUAGES = {form: code for code, *names in LANGUAGES for name in names for form in typed_forms(name)} | {
    "en": "en", "zh": "zh-CN", "zh-cn": "zh-CN", "zh-hans": "zh-CN", "zh-tw": "zh-TW", "zh-hant": "zh-TW",
}  # fmt: skip
_PRESET_NAME = re.compile(rf"\w[\w-]{{0,{MAX_PRESET_NAME - 1}}}")
_LORA_EXAMPLE = "--lora sugar:0.8"

HERE_WORDS = frozenset({"here", "这里", "這裡"})
_SUBJECT = re.compile(
    r"<(?:@!?|#)(?P<mention>\d{1,20})>|(?P<platform>discord|telegram|web|console):(?P<id>[\w.-]{1,64})|(?P<alone>-?\d{1,20})",
    re.ASCII,
)

LINK_CODE_CHARS = 8  # 40 bits
CODE_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread
_MISREAD = str.maketrans("OIL", "011")


def as_typed(value: OptionValue) -> str:
    """Convert an option to text, so that it is read and refused like a typed one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # forms send whole numbers as floats
    return "" if value is None else clean(str(value))


def preset_name_of(text: str) -> str:
    """Return the name of a preset: letters of any script, digits, ``_`` and ``-``, or raise BadPresetName."""
    name = clean(text).strip(" ,，、")
    if not _PRESET_NAME.fullmatch(name):
        raise BadPresetName(text=text, limit=MAX_PRESET_NAME)
    return name


def language_of(text: str) -> str:
    """Convert ``English``, ``中文``, ``zh-TW`` to a locale; empty: the platform's. Or raise BadLanguage."""
    found = _LANGUAGES.get(normalize(text))
    if found is None:
        raise BadLanguage(text=text)
    return found


def size_of(text: str) -> Size:
    """Convert ``2:3`` to a shape, ``512x768`` to pixels; full-width, ``×``, ``*``, ``比``, ``三比四`` too.

    ``ASPECTS`` names shapes: ``portrait``, ``竖图``.

    Raises:
        BadSize: It is neither, or one side is zero. Whether a model can draw it is checked later.
    """
    sides = re.split("([:比])", _SHAPE_OF.get(normalize(text), normalize(text)))
    found = _SIZE.fullmatch("".join(map(_number, sides)))
    if found is None:
        raise BadSize(text=text)
    width, height = int(found[1]), int(found[3])
    return Ratio(width, height) if found[2] in ":比" else PixelSize(width, height)


def seed_of(text: str) -> int:
    """Convert to a whole number from 0 to ``MAX_SEED``, or raise BadSeed."""
    number = _number(normalize(text))
    if not _WHOLE.fullmatch(number) or int(number) > MAX_SEED:
        raise BadSeed(text=text, limit=MAX_SEED)
    return int(number)


def count_of(text: str) -> int:
    """Convert to a whole number from 1 to ``MAX_COUNT``, or raise BadCount; accepts ``4张`` and ``四张``."""
    number = _number(normalize(text).removesuffix("张").removesuffix("張"))
    if not _WHOLE.fullmatch(number) or not 1 <= int(number) <= MAX_COUNT:
        raise BadCount(text=text, limit=MAX_COUNT)
    return int(number)


def index_of(text: str) -> int:
    """Convert the number of a picture, from 1, to its index, or raise BadPicture; ``第二张`` too."""
    number = _number(normalize(text).removeprefix("第").rstrip("张張号號"))
    if not _WHOLE.fullmatch(number) or not 1 <= int(number) <= MAX_CELLS:
        raise BadPicture(text=text, limit=MAX_CELLS)
    return int(number) - 1


def weight_of(text: str) -> float:
    """Convert to a decimal within ± ``MAX_WEIGHT``, rounded to three places, or raise BadWeight."""
    number = normalize(text)
    if not _DECIMAL.fullmatch(number) or abs(float(number)) > MAX_WEIGHT:
        raise BadWeight(text=text, limit=MAX_WEIGHT)
    return round(float(number), 3) + 0.0  # no -0.0


def _number(text: str) -> str:
    """Convert a Chinese numeral below 100 to digits: ``十六`` → ``16``; return other text unchanged."""
    found = _NUMERAL.fullmatch(text.strip().translate(_NUMERAL_VARIANTS))
    if not found or not found[0]:
        return text
    tens = _DIGITS.index(found["tens"] or "一") if found["ten"] else 0
    return str(10 * tens + _DIGITS.index(found["ones"] or "零"))


def is_number(text: str) -> bool:
    """Whether a word is a number."""
    return _DECIMAL.fullmatch(normalize(text)) is not None


def lora_of(text: str) -> LoraWish:
    """Convert ``sugar`` or ``sugar:0.8``; the name keeps its case. ``none`` and ``无`` mean no LoRA.

    Raises:
        MissingValue: The name is empty.
        BadWeight: The text after the last colon is no weight.
    """
    name, colon, weight = text.replace("：", ":").rpartition(":")
    if not colon:
        name, weight = text, ""
    name = words_of(name)
    if not name or (colon and not weight.strip()):
        raise MissingValue(flag=text, example=_LORA_EXAMPLE)
    if normalize(name) in _NO_LORA_WORDS:
        return LoraWish(NO_LORA)
    return LoraWish(name, weight_of(weight) if colon else None)


def is_default(name: str) -> bool:
    """Whether ``/lora switch`` with this name returns to the default."""
    return normalize(name) in _DEFAULT_WORDS


def page_of(text: str) -> int:
    """Convert to a whole number from 1 to ``MAX_PAGE``, or raise BadPage."""
    number = _number(normalize(text).removeprefix("第").removesuffix("页").removesuffix("頁"))
    if not _WHOLE.fullmatch(number) or not 1 <= int(number) <= MAX_PAGE:
        raise BadPage(text=text, limit=MAX_PAGE)
    return int(number)


def words_of(text: str) -> str:
    """Clean a LoRA name or the value of a face slot; double quotes become single ones."""
    return clean(text.replace('"', "'"))


def new_link_code(random: Random) -> str:
    """Return a new code; ``random`` must be a SystemRandom, so that nobody can guess it."""
    return "".join(random.choice(CODE_DIGITS) for _ in range(LINK_CODE_CHARS))


def format_link_code(code: str) -> str:
    """Return the code as people read it: ``K3F9-7QXM``."""
    return f"{code[: LINK_CODE_CHARS // 2]}-{code[LINK_CODE_CHARS // 2 :]}"


def link_code_of(typed: str) -> str:
    """Return a typed code without dashes, spaces and lower case; it may be no valid code."""
    return "".join(char for char in typed if char.isalnum()).upper().translate(_MISREAD)


def is_link_code(typed: str) -> bool:
    """Whether this text is a link code."""
    code = link_code_of(typed)
    return len(code) == LINK_CODE_CHARS and set(code) <= set(CODE_DIGITS)


def subject_of(typed: str, platform: str) -> str:
    """Convert a mention, an id of ``platform``, or ``platform:id`` to ``platform:id``.

    Raises:
        BadSubject: It has no such form.
    """
    found = _SUBJECT.fullmatch(unicodedata.normalize("NFKC", typed).strip())
    if found is None:
        raise BadSubject(text=typed)
    return f"{found['platform'] or platform}:{found['mention'] or found['id'] or found['alone']}"
