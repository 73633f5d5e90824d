"""Checks what is sent to Telegram against the vendor's own description of its Bot API (``api.json``)."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

_LENGTH = re.compile(r"(\d+)-(\d+) (characters|bytes)")
_ITEMS = re.compile(r"must include (\d+)-(\d+) items")
_AT_MOST = re.compile(r"At most (\d+) ")
_MUST_BE = re.compile(r"must be (?:always )?[\"“]?(\w+)[\"”]?$")
_EXACTLY_ONE = re.compile(r"Exactly one of the fields other than ([\w, ]+) must be used")
_UNLESS = re.compile(r"Required if ([\w ]+?) (?:is|are) not specified")
_NAME_ONLY = "only lowercase English letters, digits and underscores"
_ATTACHED = "attach://"


class TelegramSchema:
    """The methods and types of the Bot API, as ``api.json`` declares them."""

    def __init__(self, path: Path) -> None:
        api = json.loads(path.read_text("utf-8"))
        self.methods: dict[str, Any] = api["methods"]
        self.types: dict[str, Any] = api["types"]

    def problems(self, method: str, params: dict[str, str], files: Collection[str] = ()) -> list[str]:
        """Every way in which this request does not fit the declaration; none when it does.

        Args:
            params: The form's fields, as text.
            files: Names of the uploaded parts.
        """
        if method not in self.methods:
            return [f"{method}: no such method"]
        fields = self.methods[method].get("fields", [])
        values = {name: _Text(value) for name, value in params.items()}
        given: dict[str, Any] = values | {name: _File() for name in files if name in _names(fields)}
        found = list(self._object(method, fields, given, self.methods[method]["description"]))
        attached = set(re.findall(rf"{_ATTACHED}(\w+)", " ".join(params.values())))
        found += [f"{method}: {name} is attached but was not sent" for name in attached - set(files)]
        found += [
            f"{method}: the part {name} is unused" for name in set(files) - attached - set(_names(fields))
        ]
        return found

    def _object(
        self, where: str, fields: list[Any], given: dict[str, Any], description: list[str]
    ) -> Iterator[str]:
        known = {field["name"]: field for field in fields}
        yield from (f"{where}: unknown field {name}" for name in given.keys() - known.keys())
        for name, field in known.items():
            if name in given:
                yield from self._field(f"{where}.{name}", field, given[name])
            elif field["required"] or _lacks(field, given):
                yield f"{where}: {name} is missing"
        if one := _EXACTLY_ONE.search(" ".join(description)):
            others = set(re.split(r",? and |, ", one[1]))
            used = given.keys() - others
            if len(used) != 1:
                yield f"{where}: exactly one kind is wanted, not {sorted(used)}"

    def _field(self, where: str, field: dict[str, Any], value: Any) -> Iterator[str]:
        attempts = [list(self._value(where, kind, value)) for kind in field["types"]]
        if all(attempts):
            yield from min(attempts, key=len)
            return
        yield from _prose(where, field["description"], value)

    def _value(self, where: str, kind: str, value: Any) -> Iterator[str]:
        if kind.startswith("Array of "):
            yield from self._array(where, kind.removeprefix("Array of "), _parsed(value))
        elif kind == "InputFile":
            if not isinstance(value, _File) and not str(value).startswith(_ATTACHED):
                yield f"{where}: no file"
        elif kind in self.types:
            yield from self._declared(where, kind, _parsed(value))
        elif not _is_plain(kind, value):
            yield f"{where}: {value!r} is no {kind}"

    def _array(self, where: str, kind: str, value: Any) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{where}: no array"
            return
        for index, item in enumerate(value):
            yield from self._value(f"{where}[{index}]", kind, item)

    def _declared(self, where: str, kind: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where}: no object"
            return
        declared = self.types[kind]
        if "subtypes" in declared:
            attempts = [list(self._declared(where, subtype, value)) for subtype in declared["subtypes"]]
            if all(attempts):
                yield from min(attempts, key=len)
            return
        yield from self._object(where, declared.get("fields", []), value, declared["description"])


class _Text(str):
    """A form field: everything is text there, also numbers and JSON."""


class _File:
    """An uploaded part."""


def _names(fields: list[Any]) -> list[str]:
    return [field["name"] for field in fields]


def _lacks(field: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether the prose requires this field because others are absent."""
    unless = _UNLESS.search(field["description"])
    return unless is not None and not any(name in given for name in unless[1].split(" and "))


def _parsed(value: Any) -> Any:
    if not isinstance(value, _Text):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def _is_plain(kind: str, value: Any) -> bool:
    if kind == "String":
        return isinstance(value, str)
    parsed = _parsed(value)
    if kind == "Integer":
        return isinstance(parsed, int) and not isinstance(parsed, bool)
    if kind == "Float":
        return isinstance(parsed, int | float) and not isinstance(parsed, bool)
    if kind == "Boolean":
        return isinstance(parsed, bool)
    if kind == "True":
        return parsed is True
    raise ValueError(f"the schema has a type {kind!r} that this check does not know")


def _prose(where: str, description: str, value: Any) -> Iterator[str]:
    """Check limits that the schema only describes in prose."""
    if isinstance(value, str) and (length := _LENGTH.search(description)):
        units = len(value.encode()) if length[3] == "bytes" else len(value.encode("utf-16-le")) // 2
        if not int(length[1]) <= units <= int(length[2]):
            yield f"{where}: {units} {length[3]}, allowed are {length[1]} to {length[2]}"
    if isinstance(value, str) and (only := _MUST_BE.search(description)) and value != only[1]:
        yield f"{where}: {value!r} instead of {only[1]!r}"
    if _NAME_ONLY in description and not re.fullmatch(r"[a-z0-9_]+", value):
        yield f"{where}: {value!r} has characters that are not allowed"
    items = _parsed(value)
    if isinstance(items, list):
        if (span := _ITEMS.search(description)) and not int(span[1]) <= len(items) <= int(span[2]):
            yield f"{where}: {len(items)} items, allowed are {span[1]} to {span[2]}"
        if (most := _AT_MOST.search(description)) and len(items) > int(most[1]):
            yield f"{where}: {len(items)} items, allowed are {most[1]}"
