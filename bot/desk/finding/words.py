"""The words that a job is found by, and the query of what a person types; pure functions.

A Chinese character is a word of its own, so that a part of a sentence is found as a phrase. Its syllables
are separate, so that pinyin is found as a phrase too, and a Latin word may be either.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

from bot.commands.buttons import MAX_SEARCH_BYTES

LEAST_PREFIX_CHARS = 2  # a shorter word is found whole: as a beginning, it would match nearly every job
_MOST_READINGS = 4  # of Latin letters as syllables: ``xian`` is also ``xi an``

_CHINESE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # and kana, which has no spaces either
_WORD = re.compile(rf"[{_CHINESE}]|[^\W_{_CHINESE}]+")
_CHINESE_RUN = re.compile(rf"[{_CHINESE}]+")
_PIECE = re.compile(rf"[{_CHINESE}]+|[^\W_{_CHINESE}]+")
_LATIN = re.compile(r"[a-z]+")
_SYLLABLE = re.compile(
    r"(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?"
    r"(?:iang|iong|uang|iao|ian|ing|uai|uan|ang|eng|ong|ai|ei|ao|ou|an|en|er|ia|ie|iu|in|ua|uo|ui|un|ue|ve|[aoeiuv])"
)
_LONGEST_SYLLABLE = 6


def words_of(typed: str, triggers: str, loras: str) -> tuple[str, str]:
    """Return the words of a job and the syllables of its Chinese, each with spaces between them. Blocking.

    Args:
        typed: What the person typed.
        triggers: A JSON list of trigger words.
        loras: A JSON list of LoRAs with their names.
    """
    names = [str(lora["name"]) for lora in json.loads(loras)]
    text = _normal(" \n ".join([typed, *json.loads(triggers), *names]))
    return " ".join(_WORD.findall(text)), " ".join(_syllables(_CHINESE_RUN.findall(text)))


def cut_search(typed: str) -> str:
    """Return what is searched for: at most ``MAX_SEARCH_BYTES``, on one line."""
    line = " ".join(typed.split())
    return line.encode("utf-8", errors="ignore")[:MAX_SEARCH_BYTES].decode("utf-8", errors="ignore").strip()


def query_of(typed: str, names: Sequence[str]) -> str:
    """Return the query for jobs with all of these words, in any order; empty without any word.

    Args:
        typed: Words; a Latin one is found by its beginning, also as pinyin.
        names: Under which the search knows the person.
    """
    terms = [_term(piece) for piece in _PIECE.findall(_normal(typed))]
    if not terms:
        return ""
    who = " OR ".join(f'"{name}"' for name in names)
    return " AND ".join([f"(who : ({who}))", *terms])


def _term(piece: str) -> str:
    if _CHINESE_RUN.fullmatch(piece):
        return f'(words : "{" ".join(piece)}")'
    beginning = "*" if len(piece) >= LEAST_PREFIX_CHARS else ""
    ways = [f'words : "{piece}"{beginning}']
    ways += [f'pinyin : "{" ".join(reading)}"*' for reading in _readings(piece)]
    return f"({' OR '.join(ways)})"


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _syllables(runs: Iterable[str]) -> list[str]:
    """Return the syllables of Chinese text, without tones; ``ü`` is ``v``, as people type it."""
    found = list(runs)
    if not found:
        return []
    # The import takes 0.2 s, and only Chinese needs it.
    from pypinyin import lazy_pinyin  # noqa: PLC0415

    return [syllable for run in found for syllable in lazy_pinyin(run) if _LATIN.fullmatch(syllable)]


def _is_syllable(letters: str) -> bool:
    return _SYLLABLE.fullmatch(letters) is not None


def _readings(letters: str) -> list[tuple[str, ...]]:
    """Return the ways to read Latin letters as syllables, those with long syllables first."""
    if not _LATIN.fullmatch(letters):
        return []
    readings: dict[int, list[tuple[str, ...]]] = {len(letters): [()]}
    for start in range(len(letters) - 1, -1, -1):
        readings[start] = [
            (letters[start:end], *rest)
            for end in range(min(len(letters), start + _LONGEST_SYLLABLE), start, -1)
            if _is_syllable(letters[start:end])
            for rest in readings.get(end, [])
        ][:_MOST_READINGS]
    return readings[0]
