"""Writes captions of faces as people would, in Chinese and English, in any order, with words missing.

Pure and seeded: the same random numbers give the same captions. A caption mentions a subset of the traits;
the seed decides the others. ``mentioned`` lists the subset, so that only mentioned traits are scored.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.demo.phrases import CUT_EN, CUT_ZH, EN, FILLERS, HAIR_EN, HAIR_ZH, TRIGGERS, ZH

Language = Literal["zh", "en", "mixed"]
SLOTS = ("skin", "blush", "lips", "eyes", "lashes")  # the five face slots of /sugar, in its order
HAIR = ("hair", "cut")
NAMES = (*SLOTS, *HAIR, "fringe", "gaze", "extra", "backdrop")
JUNK = (
    "天地人中大小上下来去水火山石田土木禾云风雨雪春夏秋冬东西南北"
    "一二三四五六七八九十的了在是有和与及或abcdefghijklmnopqrstuvwxyz"
)


@dataclass(frozen=True, slots=True)
class Caption:
    """A prompt, and the names of the traits that it mentions."""

    text: str
    mentioned: frozenset[str]


def make_rng(seed: int) -> random.Random:
    """Return a seeded random number generator."""
    return random.Random(seed)  # noqa: S311 - it draws faces, not secrets


def write_caption(
    values: Mapping[str, str], rng: random.Random, language: Language | None = None, trigger: str = ""
) -> Caption:
    """Write one caption of a face.

    Args:
        values: Trait name → value name.
        rng: From :func:`make_rng`.
        language: None chooses at random, sometimes both.
        trigger: The style whose trigger word comes first; empty chooses any or none at random.
    """
    lang = language or rng.choices(("zh", "en", "mixed"), (0.47, 0.45, 0.08))[0]
    names = _choose_names(rng)
    if len(names) == len(SLOTS) and lang == "zh" and rng.random() < 0.5:
        parts = [_phrase(name, values, rng, "zh") for name in SLOTS]
        return Caption(f"{_trigger(trigger, rng, 1.0)}，" + "，".join(parts), frozenset(SLOTS))
    parts = []
    for name in names:
        parts += _parts(name, names, values, rng, lang)
    parts += rng.choices(FILLERS, k=rng.choices((0, 1, 2, 4), (5, 3, 2, 1))[0])
    if rng.random() < 0.03:
        parts += ["".join(rng.choices(JUNK, k=rng.randint(3, 90)))]
    if rng.random() < 0.8:
        rng.shuffle(parts)
    word = _trigger(trigger, rng, 0.7 if trigger else 0.2)
    text = _join([word, *parts] if word else parts, rng, lang)
    return Caption(text, frozenset(names))


def vocabulary_texts() -> list[str]:
    """Return every text that a caption can contain, for the tokenizer."""
    texts = [*FILLERS, *TRIGGERS.values(), JUNK]
    for phrases in (ZH, EN):
        texts += [text for rows in phrases.values() for row in rows.values() for text in row]
    for rows in (HAIR_ZH, HAIR_EN, CUT_ZH, CUT_EN):
        texts += [text for row in rows.values() for text in row]
    return [
        *texts,
        "头发 发 hair with and , . 、 。 ! ? : ; + - ( ) girl her she a the of in 的 和 眼睛 嘴唇 脸 看",
    ]


def _choose_names(rng: random.Random) -> list[str]:
    """Choose the traits of a caption: usually most, sometimes few or the five slots, rarely none."""
    kind = rng.random()
    if kind < 0.08:
        return list(SLOTS)
    keep = 0.9 if kind < 0.70 else 0.5 if kind < 0.88 else 0.15
    return [name for name in NAMES if rng.random() < keep]


def _parts(
    name: str, names: Sequence[str], values: Mapping[str, str], rng: random.Random, lang: Language
) -> list[str]:
    """Return the words for one trait. Colour and cut of the hair are often one phrase, at ``hair``."""
    if lang == "mixed":
        lang = rng.choice(("zh", "en"))
    together = "hair" in names and "cut" in names
    if together and name == "cut":
        return []
    if name not in HAIR:
        return [_phrase(name, values, rng, lang)]
    colours, cuts = (HAIR_ZH, CUT_ZH) if lang == "zh" else (HAIR_EN, CUT_EN)
    colour = _word(colours[values["hair"]], rng)
    cut = _word(cuts[values["cut"]], rng)
    if name == "cut":
        return [cut]
    alone = f"{colour}{rng.choice(('头发', '发', '的头发'))}" if lang == "zh" else f"{colour} hair"
    if not together:
        return [alone]
    if rng.random() < 0.75:
        return [f"{colour}{rng.choice(('', '', '的'))}{cut}" if lang == "zh" else _hair_en(colour, cut, rng)]
    return [alone, cut]


def _hair_en(colour: str, cut: str, rng: random.Random) -> str:
    """Join colour and cut into one English phrase: ``long pink hair``, ``a pink bob haircut``."""
    words = cut.split()
    place = words.index("hair") if "hair" in words else 1 if words[0] == "a" else 0
    if place and words[0] != "a" and rng.random() < 0.4:
        place = 0
    return " ".join([*words[:place], colour, *words[place:]])


def _phrase(name: str, values: Mapping[str, str], rng: random.Random, lang: str) -> str:
    return _word((ZH if lang == "zh" else EN)[name][values[name]], rng)


def _word(choices: Sequence[str], rng: random.Random) -> str:
    """Return the usual word in four of ten cases, otherwise any."""
    return choices[0] if rng.random() < 0.4 else rng.choice(choices)


def _trigger(style: str, rng: random.Random, odds: float) -> str:
    if rng.random() >= odds:
        return ""
    return TRIGGERS[style or rng.choice(tuple(TRIGGERS))]


def _join(parts: Sequence[str], rng: random.Random, lang: Language) -> str:
    marks = {
        "zh": ("，", "，", ",", "、", " ", "。", "，带"),
        "en": (", ", ", ", ",", " ", ". ", " and ", " with "),
    }
    chosen = marks["en" if lang == "en" else "zh"]
    one = rng.choice(chosen[:5])
    mixed = rng.random() < 0.3
    text = ""
    for index, part in enumerate(parts):
        text += (rng.choice(chosen) if mixed else one) * (index > 0) + part
    if lang == "en" and rng.random() < 0.2:
        text = text.capitalize()
    return text + ("。" if lang == "zh" and rng.random() < 0.1 else "")
