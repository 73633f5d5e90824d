"""The patterns of options in text, half- and full-width.

Quantifiers are possessive (``++``, ``*+``) where two could match the same characters, so that a pattern reads
a text only once.
"""

import re

COMMAS = ",，、;；"  # between the parts of a prompt
FULL_WIDTH_COMMAS = "，、；"  # without a space behind them

_OPTION_DASHES = r"(?:--|－－|﹣﹣)"
_PROSE_DASHES = r"(?:——?|––?|-—|—-)"  # keyboards make these of two dashes; prose uses them too
_LATIN = r"[A-Za-zＡ-Ｚａ-ｚ]"

DASH_OR_BRACKET = r"[<＜]|[-－﹣—–]"
"""The first characters of an option without a Chinese name."""

DASHED = re.compile(rf"(?P<dash>(?P<certain>{_OPTION_DASHES})|{_PROSE_DASHES})(?P<name>{_LATIN}|[^\W\d_]+)")
"""Dashes and the start of a name: ``--s`` of ``--size``, or ``--尺寸`` with all letters behind it."""

LATIN_NAME = re.compile(rf"{_LATIN}[A-Za-zＡ-Ｚａ-ｚ0-9０-９_-]*")
"""A Latin name ends before Chinese text: ``--skin清透``."""

SHORT = re.compile(rf"[-－](?P<name>{_LATIN})(?=[\s=＝\d]|$)")
"""``-n 4``, ``-n4``, ``-n=4``."""

SINGLE = re.compile(rf"[-－](?P<name>{_LATIN}[A-Za-zＡ-Ｚａ-ｚ0-9０-９_-]+)(?=[\s=＝:：]|$)")
"""One dash instead of two: ``-seed 7``."""

ONE_DASH = re.compile("[-－﹣—–]")

NAME_END = re.compile(r"[\s=＝:：]|$")

END_OF_FLAGS = re.compile(rf"{_OPTION_DASHES}(?=\s|$)")
"""Two dashes alone."""

TAG = re.compile(r"[<＜]\s*+lora\s*+[:：](?P<lora>[^<>＜＞]*+)(?P<end>[>＞])?+", re.IGNORECASE)
"""``<lora:name:0.8>``; without ``end`` the tag is incomplete."""

GAP = re.compile(r"\s*+(?:[=＝:：]\s*+)?+")
"""Between a name and its value."""

QUOTED = re.compile(r'"([^"]*+)"|“([^”]*+)”|「([^」]*+)」')

SIZE = re.compile(r"[+-]?\d++\s*+[:：∶xXｘＸ×✕✖*＊比]\s*+-?\d*+(?!\w|[:：]\d)")
"""Text that looks like a size, valid or not: ``2:3``, ``512 x 768``, ``7x``, ``2:0``."""

_NUMERAL = "[零〇一二两兩三四五六七八九十]"
SIZE_IN_WORDS = re.compile(rf"{_NUMERAL}++\s*+[:：∶比]\s*+{_NUMERAL}++(?!\w)")
"""``三比四``."""

NUMBER = re.compile(rf"(?:[-+－＋−]?\d++(?:[.．]\d++)?+|{_NUMERAL}++)[张張]?+(?!\w)")
"""A separate number, in digits or Chinese; also ``4张``, for a count."""

NOT_A_NUMBER = re.compile(rf"[A-Za-z][A-Za-z0-9.+_-]*+(?=\s*+(?:\Z|[{COMMAS}。]|{_OPTION_DASHES}))")
"""A separate word of letters instead of a number: ``种子 abc``."""

WEIGHT_BEHIND = re.compile(
    rf"\s++(?P<weight>[-+－＋−]?(?:\d*+[.．]\d++(?!\w)|\d++(?=\s*+(?:\Z|[{COMMAS}。<＜]|[-－﹣—–][^\d]))))"
)
"""``0.8`` behind a LoRA's name; a whole number only if no prompt text follows."""

TOKEN = re.compile(rf"(?:(?!{_OPTION_DASHES}{_LATIN}|[<＜]\s*+lora)[^\s{COMMAS}。])++", re.IGNORECASE)
"""A value without spaces; it ends before the next option."""

_NAME = rf"(?:\"[^\"]*+\"|“[^”]*+”|(?!{_OPTION_DASHES}{_LATIN}|[<＜]\s*+lora)[^\s{COMMAS}。\"“”])++"
_NAME_AND_WEIGHT = rf"[^\s{COMMAS}。:：]++[:：][-+－＋−]?[.．]?\d[\d.．]*+(?=\Z|[\s{COMMAS}])"
JOINED = re.compile(rf"(?:[,，、](?:{_NAME}|\s++{_NAME_AND_WEIGHT})){{1,8}}+", re.IGNORECASE)
"""What commas join to a LoRA: ``,anime`` without a space, ``, anime:0.3`` with a strength.

Only a few are read, because the same text may be behind each of many LoRAs."""

LIST = re.compile(
    rf"(?:(?!{_OPTION_DASHES}{_LATIN}|[<＜]\s*+lora)"
    rf"(?:\"[^\"]*+\"|“[^”]*+”|[{COMMAS}]\s++(?=[-+－＋−]?[.．]?\d)|[^\s。]))++",
    re.IGNORECASE,
)
"""Values with commas between them; behind a comma, spaces only before a number: ``0.4, 0.8``."""

LIST_PART = re.compile(rf'(?:"[^"]*+"|“[^”]*+”|[^{COMMAS}])++')
"""One value of a list; one with a comma is in quotes."""

SLOT_END = re.compile(r"[,，;；。]")
"""Ends the value of a face slot; ``、`` separates words within it."""

LEADING_COMMAS = re.compile(rf"\A[\s{COMMAS}]+")
TRAILING_COMMAS = re.compile(rf"(?<![\s{COMMAS}])[\s{COMMAS}]+\Z")
