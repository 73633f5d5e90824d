"""Discord's rules for the components of a message, which its schema does not contain.

A message with the flag ``IS_COMPONENTS_V2`` consists of components: it has no content, no embeds, at most 40
components and 4,000 characters, and it shows only the files that a component names. An edit may set the flag,
with the classic content as null, but it cannot take the flag away.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.fakes.discord_http import Refused

V2 = 1 << 15
SUPPRESS_EMBEDS = 1 << 2
ROW, BUTTON, SELECT, SECTION, TEXT, GALLERY, FILE, CONTAINER = 1, 2, 3, 9, 10, 12, 13, 17
MAX_COMPONENTS, MAX_TEXT, MAX_ROW_BUTTONS = 40, 4_000, 5
CLASSIC = ("content", "embeds", "poll", "sticker_ids")
FORM_ONLY = (4, 18, 19, 21, 22, 23)


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All components, also those inside others."""
    for component in components:
        yield component
        below = [component[key] for key in ("accessory", "component") if component.get(key)]
        yield from walk([*component.get("components", []), *below])


def text_of(message: dict[str, Any]) -> str:
    """What people read in a message: its content, or its text components, line by line."""
    texts = [one["content"] for one in walk(message["components"]) if one["type"] == TEXT]
    return "\n".join(texts) if message["flags"] & V2 else message["content"]


def flags_after(message: dict[str, Any], body: dict[str, Any], *, is_new: bool) -> int:
    """The flags of a message after a request: of a sent message, only two bits can be added."""
    asked = body.get("flags") or 0
    return message["flags"] | (asked if is_new else asked & (V2 | SUPPRESS_EMBEDS))


def check(message: dict[str, Any], body: dict[str, Any], file_names: set[str], was_v2: bool) -> None:
    """Refuse a request as Discord does.

    Args:
        message: The message as the request leaves it.
        body: The request.
        file_names: Of all attachments that the message has then.
        was_v2: Whether the message had the flag before.
    """
    components = list(walk(message["components"]))
    kinds = [one["type"] for one in components]
    wrong = [f"a form's component {kind} in a message" for kind in kinds if kind in FORM_ONLY]
    if message["flags"] & V2:
        wrong += [f"{key} with IS_COMPONENTS_V2" for key in CLASSIC if body.get(key)]
        if not was_v2 and message["content"] and "content" not in body:
            wrong.append("the classic content must be null")
        if len(components) > MAX_COMPONENTS or not components:
            wrong.append(f"{len(components)} components")
        if len(text_of(message)) > MAX_TEXT:
            wrong.append("too much text")
        shown = _shown_files(components)
        wrong += [f"no file {name}" for name in shown - file_names]
        wrong += [f"{name} is attached but not shown" for name in file_names - shown]
    elif any(kind not in (ROW, BUTTON, SELECT) for kind in kinds):
        wrong.append("IS_COMPONENTS_V2 is not set")
    wrong += _wrong_rows(components)
    if wrong:
        raise Refused(400, 50035, f"Invalid Form Body: {wrong}")


def _shown_files(components: list[dict[str, Any]]) -> set[str]:
    media = [item["media"] for one in components if one["type"] == GALLERY for item in one["items"]]
    media += [one["file"] for one in components if one["type"] == FILE]
    return {one["url"].removeprefix("attachment://") for one in media}


def _wrong_rows(components: list[dict[str, Any]]) -> list[str]:
    ids = [one["custom_id"] for one in components if "custom_id" in one]
    wrong = [f"{custom_id} twice" for custom_id in {one for one in ids if ids.count(one) > 1}]
    wrong += [f"bad custom id {custom_id!r}" for custom_id in ids if not re.fullmatch(r".{1,100}", custom_id)]
    for row in components:
        if row["type"] == ROW:
            inside = [one["type"] for one in row["components"]]
            if inside != [SELECT] and not (set(inside) == {BUTTON} and len(inside) <= MAX_ROW_BUTTONS):
                wrong.append(f"a row of {inside}")
    return wrong
