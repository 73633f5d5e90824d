"""The languages that people read: English, Chinese of the mainland, Chinese of Taiwan.

Chinese texts are written once, in Simplified characters. ``taiwan.json`` has the form of each that Taiwan
uses. ``python -m tests.taiwan`` writes it, so that a running bot needs no dictionary.
"""

import json
from collections.abc import Mapping
from pathlib import Path

LOCALES = ("en", "zh-CN", "zh-TW")
TAIWAN_FILE = Path(__file__).with_name("taiwan.json")
_IN_TRADITIONAL = {"hant", "tw", "hk", "mo"}  # script and regions of Traditional characters

_TAIWAN = json.loads(TAIWAN_FILE.read_text(encoding="utf-8"))


def locale_of(code: str | None) -> str:
    """Return our locale for a language code: ``zh-hans``, ``zh_TW.UTF-8``, ``en-US``, … or nothing."""
    language, *parts = (code or "").lower().replace("_", "-").split(".")[0].split("-")
    if language != "zh":
        return "en"
    return "zh-TW" if _IN_TRADITIONAL & set(parts) else "zh-CN"


def is_chinese(locale: str) -> bool:
    """Whether people with this locale read Chinese."""
    return locale.startswith("zh")


def in_script(chinese: str, locale: str) -> str:
    """Return a Chinese text of ours as people with this Chinese locale write it."""
    return str(_TAIWAN["shown"].get(chinese, chinese)) if locale == "zh-TW" else chinese


def typed_forms(word: str) -> tuple[str, ...]:
    """Return a word of ours and how people type it in Traditional characters."""
    return tuple(dict.fromkeys([word, in_script(word, "zh-TW"), _TAIWAN["typed"].get(word, word)]))


def title_of(titles: Mapping[str, str], locale: str) -> str:
    """Return the title for a locale, else in the other Chinese, else in English; empty without."""
    other = {"zh-CN": "zh-TW", "zh-TW": "zh-CN"}.get(locale, "")
    return titles.get(locale) or titles.get(other) or titles.get("en", "")
