"""Outcomes and refusals as JSON, decoded to the same classes with the same fields.

Only the classes listed here are created from stored text. Receipts are never stored: the job itself is the
record, and its present state makes the receipt.
"""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bot.errors import NotPossible, PersonError
from bot.outcomes import (
    AccessChanged,
    AccessListing,
    BanListing,
    CancelAccepted,
    CreditsGiven,
    CreditsGranted,
    DailyCreditsGranted,
    Deleted,
    FavouriteSet,
    HostClaimed,
    LinkCode,
    LinkConfirmation,
    Linked,
    LoraAdded,
    LoraAllowed,
    LoraRemoved,
    LoraRevoked,
    LoraSwitched,
    Outcome,
    PersonBanned,
    PersonUnbanned,
    PresetDeleted,
    PresetList,
    PresetSaved,
    ProfileShown,
    Published,
    QueueListing,
    Reported,
    ServiceChanged,
    SettingsShown,
    Unlinked,
)

_OUTCOMES: dict[str, type[Any]] = {
    "preset_deleted": PresetDeleted,
    "preset_saved": PresetSaved,
    "presets": PresetList,
    "profile": ProfileShown,
    "banned": PersonBanned,
    "given": CreditsGiven,
    "granted": CreditsGranted,
    "granted_daily": DailyCreditsGranted,
    "unbanned": PersonUnbanned,
    "bans": BanListing,
    "access": AccessChanged,
    "accesses": AccessListing,
    "service": ServiceChanged,
    "settings": SettingsShown,
    "cancel_asked": CancelAccepted,
    "deleted": Deleted,
    "favourite_set": FavouriteSet,
    "host_claimed": HostClaimed,
    "link_asked": LinkConfirmation,
    "link_code": LinkCode,
    "linked": Linked,
    "lora_allowed": LoraAllowed,
    "lora_revoked": LoraRevoked,
    "lora_added": LoraAdded,
    "lora_removed": LoraRemoved,
    "published": Published,
    "queue": QueueListing,
    "reported": Reported,
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
    """Return the answer as JSON; a refusal becomes its class name and its facts.

    Raises:
        KeyError: This outcome is never stored; a programming error.
    """
    if isinstance(answer, PersonError):
        return json.dumps({"refusal": type(answer).__name__, "facts": answer.facts}, default=str)
    name = _NAMES[type(answer)]
    return json.dumps({"outcome": name, "facts": _ADAPTERS[name].dump_python(answer, mode="json")})


def decode(text: str) -> Outcome | PersonError:
    """Return the answer that ``encode`` wrote.

    An unreadable answer of another version becomes a plain refusal: the command was done or refused already,
    and must not be done again.
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
    """Return every refusal class by name; adapters may not define their own."""
    found, kinds = {}, [PersonError]
    while kinds:
        kind = kinds.pop()
        found[kind.__name__] = kind
        kinds += kind.__subclasses__()
    return found


def _fact(stored: object) -> object:
    """Turn the lists of JSON back into tuples."""
    return tuple(_fact(part) for part in stored) if isinstance(stored, list) else stored
