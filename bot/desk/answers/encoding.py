"""Outcomes and refusals as JSON, read back as the same classes with the same facts.

Only the classes listed here are ever made from stored text. A receipt is not among them: its job is its
record, and says where it stands now.
"""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bot.errors import NotPossible, PersonError
from bot.outcomes import CancelAsked, LinkAsked, LinkCode, Linked, LoraSwitched, Outcome, Unlinked

_OUTCOMES: dict[str, type[Any]] = {
    "cancel_asked": CancelAsked,
    "link_asked": LinkAsked,
    "link_code": LinkCode,
    "linked": Linked,
    "switched": LoraSwitched,
    "unlinked": Unlinked,
}
_NAMES = {kind: name for name, kind in _OUTCOMES.items()}
_ADAPTERS = {name: TypeAdapter(kind) for name, kind in _OUTCOMES.items()}


@dataclass(frozen=True, slots=True)
class _StoredOutcome:
    outcome: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _StoredRefusal:
    refusal: str
    facts: dict[str, Any]


_STORED: TypeAdapter[_StoredOutcome | _StoredRefusal] = TypeAdapter(_StoredOutcome | _StoredRefusal)


def encode(answer: Outcome | PersonError) -> str:
    """The answer as JSON; a refusal is its class name and its facts.

    Raises:
        KeyError: An outcome that is never stored; a mistake of ours.
    """
    if isinstance(answer, PersonError):
        return json.dumps({"refusal": type(answer).__name__, "facts": answer.facts}, default=str)
    name = _NAMES[type(answer)]
    return json.dumps({"outcome": name, "facts": _ADAPTERS[name].dump_python(answer, mode="json")})


def decode(text: str) -> Outcome | PersonError:
    """The answer that ``encode`` wrote.

    Another version's answer that this one cannot read becomes a plain refusal: what was asked is done or
    refused already, and must not be done again.
    """
    try:
        stored = _STORED.validate_json(text)
        if isinstance(stored, _StoredRefusal):
            return _refusals()[stored.refusal](**{key: _fact(fact) for key, fact in stored.facts.items()})
        outcome: Outcome = _ADAPTERS[stored.outcome].validate_python(stored.facts)
    except (ValidationError, KeyError):
        return NotPossible()
    return outcome


def _refusals() -> dict[str, type[PersonError]]:
    """Every refusal by name; adapters may define none of their own."""
    found, kinds = {}, [PersonError]
    while kinds:
        kind = kinds.pop()
        found[kind.__name__] = kind
        kinds += kind.__subclasses__()
    return found


def _fact(stored: object) -> object:
    """JSON knows lists alone; facts are tuples."""
    return tuple(_fact(part) for part in stored) if isinstance(stored, list) else stored
