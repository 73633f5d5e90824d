"""Finds the words of a prompt that the built-in model does not know, so that the bot can name them at once.

The model was trained only on the phrases of ``phrases``. A word is known if training used it for the feature
that it describes: blue is known for hair, not for eyes. Pure text; imports no torch.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.demo.phrases import CUT_EN, CUT_ZH, EN, FILLERS, HAIR_EN, HAIR_ZH, TRIGGERS, ZH

MAX_NAMED = 4  # features, and words, that one answer names
MAX_DESCRIBING_WORDS = 3  # words before a noun that an answer repeats
MAX_WORD_CHARS = 24  # characters of a word that an answer names


@dataclass(frozen=True, slots=True)
class UnknownFeature:
    """A feature that the model cannot draw as described.

    Attributes:
        text: As written in the prompt: ``green hair``.
        known: What the model can draw instead, in the same language: ``black``, ``brown``, …
    """

    text: str = field(repr=False)
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromptReading:
    """The unknown parts of a prompt.

    Attributes:
        features: Known features with an unknown description.
        words: Other unknown words.
        is_blank: Whether the model knows no word of the prompt.
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
# Only these describing words have a meaning without their noun (unlike ``fox`` in ``fox eyes``).
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


@dataclass(slots=True)
class _Findings:
    features: list[UnknownFeature] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    has_known: bool = False


def read_prompt(prompt: str) -> PromptReading:
    """Separate the words that the model knows from those it does not; name at most a few unknown ones."""
    found = _Findings()
    for part in _PARTS.findall(prompt):
        english: list[str] = []
        for run in _RUNS.finditer(part):
            if run["en"]:
                english.append(run["en"])
            elif run["zh"]:
                _read_english(english, found)
                english = []
                _read_chinese(run["zh"], found)
        _read_english(english, found)
    features = tuple(dict.fromkeys(found.features))[:MAX_NAMED]
    words = tuple(dict.fromkeys(word[:MAX_WORD_CHARS] for word in found.words))[:MAX_NAMED]
    return PromptReading(features, words, is_blank=not found.has_known and bool(features or words))


def vocabulary(locale: str) -> tuple[str, ...]:
    """Return what the model can draw, one line per trait; in Chinese unless ``locale`` is ``en``."""
    rows = {**(ZH if locale != "en" else EN)}
    colours, cuts = (HAIR_ZH, CUT_ZH) if locale != "en" else (HAIR_EN, CUT_EN)
    usual = [_usual(values.values()) for values in (*rows.values(), colours, cuts)]
    if locale != "en":
        return tuple("、".join(words) for words in usual)
    usual[-2] = tuple(f"{colour} hair" for colour in usual[-2])
    return tuple(_shared_noun(words) for words in usual)


def _read_english(typed: list[str], found: _Findings) -> None:
    """Read adjacent words: known phrases first, then nouns with the words that describe them."""
    words = [word.casefold() for word in typed]
    covered, at = [False] * len(words), 0
    while at < len(words):
        length = next((n for n in range(_LONGEST, 1, -1) if tuple(words[at : at + n]) in _PHRASES_EN), 0)
        covered[at : at + length] = [True] * length
        at += length or 1
    found.has_known = found.has_known or any(covered)
    for at, word in enumerate(words):
        trait = _NOUNS_EN.get(word)
        if covered[at] or trait is None:
            continue
        found.has_known = covered[at] = True
        start = at
        while start and not covered[start - 1] and words[start - 1] not in _GLUE_EN:
            start -= 1
            covered[start] = True
        known = _WORDS_OF[trait] | _ANYWHERE
        if unknown := [index for index in range(start, at) if words[index] not in known]:
            text = " ".join(typed[max(unknown[0], at - MAX_DESCRIBING_WORDS) : at + 1])
            found.features.append(UnknownFeature(text[-MAX_WORD_CHARS:], _known_en(trait)))
    for at, word in enumerate(words):
        if not covered[at] and word not in _ALONE:
            found.words.append(typed[at])
        elif word not in _GLUE_EN:
            found.has_known = True


def _read_chinese(run: str, found: _Findings) -> None:
    """Read a run of Chinese characters, which has no spaces.

    Known phrases divide it into gaps. A gap holds descriptions of nouns, glue, and unknown words.
    """
    gaps = _KNOWN_ZH.split(run)
    found.has_known = found.has_known or len(gaps) > 1
    for gap in gaps:
        end = 0
        for noun in _NOUN_ZH.finditer(gap):
            found.has_known = True
            if described := _EDGE_ZH.sub("", gap[end : noun.start()]):
                text = f"{described}{noun[0]}"
                found.features.append(UnknownFeature(text[-MAX_WORD_CHARS:], _known_zh(_NOUNS_ZH[noun[0]])))
            end = noun.end()
        if rest := _EDGE_ZH.sub("", gap[end:]):
            found.words.append(rest)


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
