"""Which words of a prompt the built-in model knows, so that people learn it before they see a wrong picture.

The model was trained on the phrases of ``phrases`` alone. A word counts as known where training used it for
the feature that it stands with: blue is known of hair, not of eyes. Pure text; imports no torch.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.demo.phrases import CUT_EN, CUT_ZH, EN, FILLERS, HAIR_EN, HAIR_ZH, TRIGGERS, ZH

MOST = 4  # of each kind in one answer: more would bury the rest of it
MOST_DESCRIBING = 3  # words before a noun that are repeated
MOST_CHARS = 24  # of a word that is named


@dataclass(frozen=True, slots=True)
class UnknownFeature:
    """Something of a face that the model cannot draw so.

    Attributes:
        said: As in the prompt: ``green hair``.
        known: What it can draw in that place, in the same language: ``black``, ``brown``, …
    """

    said: str = field(repr=False)
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of a prompt.

    Attributes:
        features: Known parts of a face with a description that is not.
        words: Further words that mean nothing to it.
        is_blank: It knows not one word of the prompt.
    """

    features: tuple[UnknownFeature, ...] = ()
    words: tuple[str, ...] = field(default=(), repr=False)
    is_blank: bool = False


_NOUNS_EN = {
    "hair": "hair", "haircut": "hair", "bob": "hair", "bun": "hair", "twintails": "hair", "pigtails": "hair",
    "pixie": "hair", "eyes": "eyes", "eye": "eyes", "lips": "lips", "lip": "lips", "lipstick": "lips",
    "skin": "skin", "complexion": "skin", "blush": "blush", "cheeks": "blush", "lashes": "lashes",
    "eyelashes": "lashes", "bangs": "fringe", "fringe": "fringe", "background": "backdrop",
    "backdrop": "backdrop", "earrings": "extra", "flower": "extra", "hairpin": "extra", "daisy": "extra",
    "glasses": "extra",
}  # fmt: skip
_NOUNS_ZH = {
    "头发": "hair", "发": "hair", "眼睛": "eyes", "眼": "eyes", "唇": "lips", "口红": "lips", "嘴唇": "lips",
    "皮肤": "skin", "肌肤": "skin", "肌": "skin", "腮红": "blush", "脸颊": "blush", "睫毛": "lashes",
    "刘海": "fringe", "背景": "backdrop", "耳环": "extra", "眼镜": "extra",
}  # fmt: skip
_GLUE_EN = frozenset(
    {
        "a", "an", "the", "of", "in", "on", "at", "to", "and", "with", "her", "his", "she", "he", "has", "is",
        "are", "wearing", "very", "really", "slightly", "who", "that", "for", "please", "draw", "picture",
        "image", "photo", "woman", "girl", "lady", "female",
    }
)  # fmt: skip
_GLUE_ZH = (
    "的", "了", "和", "与", "及", "有", "着", "带", "带着", "戴着", "戴", "穿着", "在", "是", "很", "非常",
    "她", "我", "一个", "一位", "一名", "一张", "一只", "画", "请", "给我", "女孩", "女孩子", "女生", "女人",
    "女子", "姑娘", "美女", "脸", "人", "照片", "图片",
)  # fmt: skip


def _words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in re.findall(r"[a-z0-9]+", text.casefold()))


_COLOURS_EN = [text for row in HAIR_EN.values() for text in row]
_CUTS_EN = [text for row in CUT_EN.values() for text in row]
_ANYWHERE = _words(text for text in FILLERS if text.isascii()) | _GLUE_EN
_WORDS_OF = {trait: _words(text for row in rows.values() for text in row) for trait, rows in EN.items()} | {
    "hair": _words([*_COLOURS_EN, *_CUTS_EN])
}
_PHRASES_EN = frozenset(
    tuple(re.findall(r"[a-z0-9]+", text.casefold()))
    for text in [
        *(text for rows in EN.values() for row in rows.values() for text in row),
        *_CUTS_EN,
        *FILLERS,
    ]
    if text.isascii()
)
_LONGEST = max(map(len, _PHRASES_EN))
# Words of a description mean nothing without its noun (fox eyes), but for these.
_ALONE = (
    _ANYWHERE
    | _words(TRIGGERS.values())
    | (_WORDS_OF["hair"] - {"ocean", "top"})
    | _WORDS_OF["fringe"]
    | _WORDS_OF["gaze"]
    | {"smiling", "smile", "pale", "tanned", "night", "glaze"}
)

_CUTS_ZH = [text for row in CUT_ZH.values() for text in row]
_COLOURS_ZH = [text for row in HAIR_ZH.values() for text in row]


def _one_of(texts: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, texts), key=len, reverse=True))


_KNOWN_ZH = re.compile(
    rf"(?:{_one_of(_COLOURS_ZH)})的?(?={_one_of(['头发', '发', *_CUTS_ZH])})|"
    + _one_of(
        [
            *(text for rows in ZH.values() for row in rows.values() for text in row),
            *_CUTS_ZH,
            *(text for text in FILLERS if not text.isascii()),
            *(word for text in TRIGGERS.values() for word in re.findall(r"[\u4e00-\u9fff]+", text)),
        ]
    )
)
_EDGE_ZH = re.compile(rf"^(?:{_one_of(_GLUE_ZH)})+|(?:{_one_of(_GLUE_ZH)})+$")
_NOUN_ZH = re.compile(_one_of(_NOUNS_ZH))
_PARTS = re.compile(r"[^,，.。;；、!！?？:：()（）\n]+")
_RUNS = re.compile(r"(?P<zh>[\u3400-\u9fff]+)|(?P<en>[^\W\d_\u3400-\u9fff][^\W_\u3400-\u9fff]*)|\d\w*")


def read_prompt(prompt: str) -> Reading:
    """Tell the words that the model knows from those it does not; at most a few of these are named."""
    notes = _Notes()
    for part in _PARTS.findall(prompt):
        latin: list[str] = []
        for run in _RUNS.finditer(part):
            if run["zh"]:
                notes.read_latin(latin)
                latin = []
                notes.read_chinese(run["zh"])
            elif run["en"]:
                latin.append(run["en"])
        notes.read_latin(latin)
    features = tuple(dict.fromkeys(notes.features))[:MOST]
    words = tuple(dict.fromkeys(word[:MOST_CHARS] for word in notes.words))[:MOST]
    return Reading(features, words, is_blank=not notes.knows_any and bool(features or words))


def vocabulary(locale: str) -> tuple[str, ...]:
    """What the model can draw, one line for each trait; Chinese for ``zh-CN``, else English."""
    rows = {**(ZH if locale == "zh-CN" else EN)}
    colours, cuts = (HAIR_ZH, CUT_ZH) if locale == "zh-CN" else (HAIR_EN, CUT_EN)
    usual = [_usual(values.values()) for values in (*rows.values(), colours, cuts)]
    if locale == "zh-CN":
        return tuple("、".join(words) for words in usual)
    usual[-2] = tuple(f"{colour} hair" for colour in usual[-2])
    return tuple(_shared_noun(words) for words in usual)


@dataclass
class _Notes:
    features: list[UnknownFeature]
    words: list[str]
    knows_any: bool = False

    def __init__(self) -> None:
        self.features, self.words = [], []

    def read_latin(self, typed: list[str]) -> None:
        """Read neighbouring words: known phrases first, then nouns with the words that describe them."""
        words = [word.casefold() for word in typed]
        covered = _covered(words)
        self.knows_any = self.knows_any or any(covered)
        for at, word in enumerate(words):
            trait = _NOUNS_EN.get(word)
            if covered[at] or trait is None:
                continue
            self.knows_any = covered[at] = True
            begin = at
            while begin and not covered[begin - 1] and words[begin - 1] not in _GLUE_EN:
                begin -= 1
                covered[begin] = True
            known = _WORDS_OF[trait] | _ANYWHERE
            if strange := [index for index in range(begin, at) if words[index] not in known]:
                said = " ".join(typed[max(strange[0], at - MOST_DESCRIBING) : at + 1])
                self.features.append(UnknownFeature(said[-MOST_CHARS:], _known_en(trait)))
        for at, word in enumerate(words):
            if not covered[at] and word not in _ALONE:
                self.words.append(typed[at])
            elif word not in _GLUE_EN:
                self.knows_any = True

    def read_chinese(self, run: str) -> None:
        """Read a run of Chinese characters, which has no spaces: the longest known phrases first."""
        end = 0
        for found in [*_KNOWN_ZH.finditer(run), None]:
            self._read_gap(run[end : found.start()] if found else run[end:])
            if found:
                self.knows_any, end = True, found.end()

    def _read_gap(self, gap: str) -> None:
        """What no known phrase covers: descriptions of nouns, glue, and strange words."""
        end = 0
        for noun in _NOUN_ZH.finditer(gap):
            self.knows_any = True
            described = _EDGE_ZH.sub("", gap[end : noun.start()])
            if described:
                trait = _NOUNS_ZH[noun[0]]
                said = f"{described}{noun[0]}"
                self.features.append(UnknownFeature(said[-MOST_CHARS:], _known_zh(trait)))
            end = noun.end()
        rest = _EDGE_ZH.sub("", gap[end:])
        if rest:
            self.words.append(rest)


def _covered(words: list[str]) -> list[bool]:
    """Which words stand in a phrase of the training."""
    covered = [False] * len(words)
    at = 0
    while at < len(words):
        length = next((n for n in range(_LONGEST, 1, -1) if tuple(words[at : at + n]) in _PHRASES_EN), 0)
        covered[at : at + length] = [True] * length
        at += length or 1
    return covered


def _usual(rows: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(row[0] for row in rows)


def _known_en(trait: str) -> tuple[str, ...]:
    if trait == "hair":
        return (*_usual(HAIR_EN.values()), *_usual(CUT_EN.values()))
    return _usual(EN[trait].values())


def _known_zh(trait: str) -> tuple[str, ...]:
    if trait == "hair":
        return (*_usual(HAIR_ZH.values()), *_usual(CUT_ZH.values()))
    return _usual(ZH[trait].values())


def _shared_noun(texts: tuple[str, ...]) -> str:
    """``dewy skin``, ``tan skin`` → ``dewy / tan skin``."""
    heads, nouns = zip(*(text.rpartition(" ")[::2] for text in texts), strict=True)
    if len(set(nouns)) > 1 or not all(heads):
        return " / ".join(texts)
    return f"{' / '.join(heads)} {nouns[0]}"
