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

END_OF_FLAGS = re.compile(rf"{_HARD}(?=\s|$)")
"""Two dashes alone."""

TAG = re.compile(r"[<＜]\s*+lora\s*+[:：](?P<lora>[^<>＜＞]*+)(?P<end>[>＞])?+", re.IGNORECASE)
"""``<lora:name:0.8>``; without its ``end`` it is half a tag."""

GAP = re.compile(r"\s*+(?:[=＝:：]\s*+)?+")
"""Between a name and its value."""

QUOTED = re.compile(r'"([^"]*+)"|“([^”]*+)”|「([^」]*+)」')

SIZE = re.compile(r"[+-]?\d++\s*+[:：∶xXｘＸ×✕✖*＊比]\s*+-?\d*+(?!\w|[:：]\d)")
"""What can only be meant as a size, also when it is a wrong one: ``2:3``, ``512 x 768``, ``7x``, ``2:0``."""

NUMBER = re.compile(r"[-+－＋−]?\d++(?:[.．]\d++)?+张?+(?!\w)")
"""A number that stands alone; ``4张`` too, for a count."""

TOKEN = re.compile(rf"(?:(?!{_HARD}{_LATIN}|[<＜]\s*+lora)[^\s{COMMAS}。])++", re.IGNORECASE)
"""A value without spaces; it ends at the next option."""

SLOT_END = re.compile(r"[,，;；。]")
"""Ends the words of a face slot; ``、`` does not, since it lists within one."""

LEADING_COMMAS = re.compile(rf"\A[\s{COMMAS}]+")
TRAILING_COMMAS = re.compile(rf"(?<![\s{COMMAS}])[\s{COMMAS}]+\Z")
