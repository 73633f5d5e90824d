"""Texts and buttons as the Bot API writes them: entities counted in UTF-16 units, and inline keyboards."""

import json
import re
from typing import Any

from tests.fakes.telegram_values import Refusal


def words(field: str, text: str) -> dict[str, Any]:
    """Text or a caption with its entities; a message without words has neither."""
    if field == "caption" and not text:
        return {}
    entities = "entities" if field == "text" else "caption_entities"
    return {field: text, entities: _entities(text)}


def keyboard(params: dict[str, str]) -> dict[str, Any]:
    """The fields of ``Sent`` that describe buttons."""
    rows = json.loads(params.get("reply_markup", "{}")).get("inline_keyboard", [])
    flat = [button for row in rows for button in row]
    return {
        "buttons": tuple((each["text"], each["callback_data"]) for each in flat if "callback_data" in each),
        "rows": tuple(tuple(button["text"] for button in row) for row in rows),
        "styles": tuple((each["text"], each["style"]) for each in flat if "style" in each),
        "copied": tuple((each["text"], each["copy_text"]["text"]) for each in flat if "copy_text" in each),
        "links": tuple((each["text"], each["url"]) for each in flat if "url" in each),
    }


def marked_parts(text: str, entities: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The kinds of entities and the parts of the text that they mark."""
    units = text.encode("utf-16-le")
    found = []
    for each in entities:
        start, end = 2 * each["offset"], 2 * (each["offset"] + each["length"])
        if end > len(units):
            raise Refusal(400, "Bad Request: entity beyond the end of the text")
        found.append((each["type"], units[start:end].decode("utf-16-le")))
    return tuple(found)


def _entities(text: str) -> list[dict[str, Any]]:
    found = [("bot_command", match) for match in re.finditer(r"^/\w+(@\w+)?", text)]
    found += [("mention", match) for match in re.finditer(r"(?<![\w/])(?<!\w)@\w+", text)]
    return [
        {"type": kind, "offset": _units(text[: match.start()]), "length": _units(match[0])}
        for kind, match in found
    ]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
