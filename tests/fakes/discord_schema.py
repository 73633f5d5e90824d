"""Checks every request against Discord's OpenAPI file, strictly: unknown keys are mistakes, too."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

# Differences between the schema and the service: discord.py sends these and Discord accepts them.
EXCUSED_KEYS = {
    "tts": "discord.py writes it into edits as well; Discord ignores it there",
}
EXCUSED_INTEGERS = {
    "attachments[].id": "the number of a file in the request; Discord's own examples write it as an integer",
    "allowed_mentions.users[]": "discord.py writes ids as integers, which the API takes for every snowflake",
    "recipient_id": "the same",
    "message_reference.message_id": "the same",
    "message_reference.channel_id": "the same",
}
QUERY_WORDS = {"1": True, "0": False, "true": True, "false": False}  # discord.py writes booleans as 0 and 1


class Schema:
    """The paths and bodies that Discord's HTTP API accepts."""

    def __init__(self, file: Path) -> None:
        self._document = json.loads(file.read_text())
        self._paths = sorted(self._document["paths"], key=lambda path: path.count("{"))
        self._patterns = {path: _pattern(path) for path in self._paths}
        self._validator = extend(Draft202012Validator, {"oneOf": self._one_of})

    def problems(
        self, method: str, path: str, query: dict[str, str], body: Any, file_names: tuple[str, ...] = ()
    ) -> list[str]:
        """The mistakes of a request; empty for a good one. ``path`` is after ``/api/v10``."""
        found = self._operation(method, path)
        if found is None:
            return [f"{method} {path}: no such operation"]
        template, operation, values = found
        where = f"{method} {template}"
        parameters = [
            *self._document["paths"][template].get("parameters", []),
            *operation.get("parameters", []),
        ]
        problems = self._parameter_problems(where, parameters, values, query)
        content = operation.get("requestBody", {}).get("content", {})
        if body is None:
            return problems + (
                [f"{where}: no body"] if operation.get("requestBody", {}).get("required") else []
            )
        kind = "multipart/form-data" if file_names else "application/json"
        if kind not in content:
            return [*problems, f"{where}: takes no {kind}"]
        return problems + self._body_problems(where, content[kind]["schema"], body, file_names)

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any], dict[str, str]] | None:
        for template in self._paths:
            match = self._patterns[template].fullmatch(path)
            operation = self._document["paths"][template].get(method.lower())
            if match and operation:
                return (
                    template,
                    operation,
                    {name: unquote(value) for name, value in match.groupdict().items()},
                )
        return None

    def _parameter_problems(
        self, where: str, parameters: list[Any], values: dict[str, str], query: dict[str, str]
    ) -> list[str]:
        known = {parameter["name"]: parameter for parameter in parameters}
        problems = [f"{where}: unknown query {name}" for name in query if name not in known]
        for name, parameter in known.items():
            given: Any = (values if parameter["in"] == "path" else query).get(name)
            if given is None:
                problems += [f"{where}: {name} is missing"] if parameter.get("required") else []
                continue
            if parameter["schema"].get("type") == "boolean":
                given = QUERY_WORDS.get(given, given)
            elif parameter["schema"].get("type") == "integer" and given.isdecimal():
                given = int(given)  # an address has text alone
            problems += self._errors(where, parameter["schema"], given)
        return problems

    def _body_problems(
        self, where: str, schema: dict[str, Any], body: Any, file_names: tuple[str, ...]
    ) -> list[str]:
        problems = self._errors(where, schema, _with_text_ids(body))
        keys = self._keys(schema)
        sent = [*(body if isinstance(body, dict) else ()), *file_names]
        if keys:
            problems += [
                f"{where}: unknown {key}" for key in sent if key not in keys and key not in EXCUSED_KEYS
            ]
        return problems

    def _errors(self, where: str, schema: dict[str, Any], value: Any) -> list[str]:
        rooted = {**schema, "components": self._document["components"]}
        return [
            f"{where} at {error.json_path}: {error.message[:300]}"
            for error in self._validator(rooted).iter_errors(value)
        ]

    def _one_of(
        self, validator: Any, options: list[dict[str, Any]], value: Any, schema: dict[str, Any]
    ) -> Iterator[ValidationError]:
        """Check a union without the options of another ``type``: components hold unions of unions."""
        possible = [option for option in options if self._may_be(option, value)]
        if sum(validator.evolve(schema=option).is_valid(value) for option in possible) != 1:
            yield from Draft202012Validator.VALIDATORS["oneOf"](validator, options, value, schema)

    def _may_be(self, option: dict[str, Any], value: Any) -> bool:
        """Whether a value has the ``type`` that an option demands, if it demands one."""
        if "$ref" in option:
            option = self._document["components"]["schemas"][option["$ref"].rsplit("/", 1)[1]]
        kinds = option.get("properties", {}).get("type", {}).get("enum")
        return kinds is None or not isinstance(value, dict) or "type" not in value or value["type"] in kinds

    def _keys(self, schema: dict[str, Any]) -> set[str]:
        """Every key that an object of this schema may have."""
        if "$ref" in schema:
            return self._keys(self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        parts = [part for union in ("allOf", "anyOf", "oneOf") for part in schema.get(union, [])]
        return set(schema.get("properties", ())).union(*(self._keys(part) for part in parts))


@cache
def load(file: Path) -> Schema:
    """Read the schema in this file."""
    return Schema(file)


def _with_text_ids(value: Any, place: str = "") -> Any:
    """The body with the excused integers as text, as the schema demands."""
    match value:
        case dict():
            return {key: _with_text_ids(one, f"{place}.{key}".lstrip(".")) for key, one in value.items()}
        case list():
            return [_with_text_ids(one, f"{place}[]") for one in value]
        case int() if place in EXCUSED_INTEGERS:
            return str(value)
    return value


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
