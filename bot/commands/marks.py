"""What options look like in text: every pattern of the scanner, half- and full-width.

Quantifiers are possessive (``++``, ``*+``) wherever two could share characters: no text, however it is made,
costs more than one pass.
"""

import re

COMMAS = ",，、;；"  # what people put between the parts of a prompt
FULL_WIDTH_COMMAS = "，、；"  # need no space behind them

_HARD = r"(?:--|－－|﹣﹣)"
_SOFT = r"(?:——?|––?|-—|—-)"  # what keyboards make of two dashes, and what prose uses
_LATIN = r"[A-Za-zＡ-Ｚａ-ｚ]"

DASH_OR_BRACKET = r"[<＜]|[-－﹣—–]"
"""Where an option without a Chinese name may begin."""

DASHED = re.compile(rf"(?P<dash>(?P<hard>{_HARD})|{_SOFT})(?P<name>{_LATIN}|[^\W\d_]+)")
"""Dashes and the beginning of a name: ``--s`` of ``--size``, or ``--尺寸`` with all letters that follow."""

LATIN_NAME = re.compile(rf"{_LATIN}[A-Za-zＡ-Ｚａ-ｚ0-9０-９_-]*")
"""A Latin name ends where Chinese begins: ``--skin清透``."""

SHORT = re.compile(rf"[-－](?P<name>{_LATIN})(?=[\s=＝\d]|$)")
"""``-n 4``, ``-n4``, ``-n=4``."""

SINGLE = re.compile(rf"[-－](?P<name>{_LATIN}[A-Za-zＡ-Ｚａ-ｚ0-9０-９_-]+)(?=[\s=＝:：]|$)")
"""One dash where two are meant: ``-seed 7``."""

ONE_DASH = re.compile("[-－﹣—–]")

NAME_END = re.compile(r"[\s=＝:：]|$")

END_OF_FLAGS = re.compile(rf"{_HARD}(?=\s|$)")
"""Two dashes alone."""

TAG = re.compile(r"[<＜]\s*+lora\s*+[:：](?P<lora>[^<>＜＞]*+)(?P<end>[>＞])?+", re.IGNORECASE)
"""``<lora:name:0.8>``; without its ``end`` it is half a tag."""

GAP = re.compile(r"\s*+(?:[=＝:：]\s*+)?+")
"""Between a name and its value."""

QUOTED = re.compile(r'"([^"]*+)"|“([^”]*+)”|「([^」]*+)」')

SIZE = re.compile(r"[+-]?\d++\s*+[:：∶xXｘＸ×✕✖*＊比]\s*+-?\d*+(?!\w|[:：]\d)")
"""What can only be meant as a size, also when it is a wrong one: ``2:3``, ``512 x 768``, ``7x``, ``2:0``."""

_NUMERAL = "[零〇一二两兩三四五六七八九十]"
SIZE_IN_WORDS = re.compile(rf"{_NUMERAL}++\s*+[:：∶比]\s*+{_NUMERAL}++(?!\w)")
"""``三比四``."""

NUMBER = re.compile(rf"(?:[-+－＋−]?\d++(?:[.．]\d++)?+|{_NUMERAL}++)[张張]?+(?!\w)")
"""A number that stands alone, in digits or Chinese; ``4张`` too, for a count."""

WRONG = re.compile(rf"[A-Za-z][A-Za-z0-9.+_-]*+(?=\s*+(?:\Z|[{COMMAS}。]|{_HARD}))")
"""A word of letters that stands alone between commas, where a number is due: ``种子 abc``."""

WEIGHT_BEHIND = re.compile(
    rf"\s++(?P<weight>[-+－＋−]?(?:\d*+[.．]\d++(?!\w)|\d++(?=\s*+(?:\Z|[{COMMAS}。<＜]|[-－﹣—–][^\d]))))"
)
"""``0.8`` behind a LoRA's name; a whole number only where the prompt does not go on with it."""

TOKEN = re.compile(rf"(?:(?!{_HARD}{_LATIN}|[<＜]\s*+lora)[^\s{COMMAS}。])++", re.IGNORECASE)
"""A value without spaces; it ends at the next option."""

SLOT_END = re.compile(r"[,，;；。]")
"""Ends the words of a face slot; ``、`` does not, since it lists within one."""

LEADING_COMMAS = re.compile(rf"\A[\s{COMMAS}]+")
TRAILING_COMMAS = re.compile(rf"(?<![\s{COMMAS}])[\s{COMMAS}]+\Z")
