"""What hosts have changed on the shelf, and the verdicts of trial pictures; lora_change and lora_verdict."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial

from bot.store.database import Database


class ShelfAction(StrEnum):
    """What a host did. Values equal the CHECK list of lora_change.action in migrations/0008."""

    SWITCH = "switch"
    ADD = "add"
    REMOVE = "remove"
    CHECK = "check"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfChange:
    """One row: who did what, where and when.

    Attributes:
        scope: Of a switch: a value of ``Scope``.
        refusal: The class of the error, if nothing changed.
        duration_ms: From the command to the change.
    """

    at_ms: int
    platform: str
    user_id: str
    chat_id: str
    action: ShelfAction
    scope: str = ""
    lora_before: str = ""
    lora_after: str = ""
    sha256: str = ""
    source: str = ""
    refusal: str = ""
    duration_ms: int = 0


class ShelfChanges:
    """The record of changes; rows are never changed or deleted."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "loras.sql")

    async def add(self, change: ShelfChange) -> None:
        """Record one change, in the transaction of the change."""
        await self._query("add_lora_change", **asdict(change))

    async def newest(self, limit: int) -> tuple[ShelfChange, ...]:
        """Return the newest changes, newest first."""
        rows = [dict(row) for row in await self._query("lora_changes", limit=limit)]
        return tuple(ShelfChange(**row | {"action": ShelfAction(row["action"])}) for row in rows)


class LoraVerdicts:
    """What trial pictures said about the contents of LoRA files, by the weights that drew them."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "loras.sql")

    async def of(self, weights: str) -> dict[str, str]:
        """Return the verdicts for a model's weights: sha256 → the class of a refusal; empty: it was good."""
        rows = await self._query("lora_verdicts", weights=weights)
        return {row["sha256"]: row["refusal"] for row in rows}

    async def save(self, sha256: str, weights: str, refusal: str, at_ms: int) -> None:
        """Store a verdict; it replaces an earlier one."""
        await self._query("save_lora_verdict", sha256=sha256, weights=weights, refusal=refusal, at_ms=at_ms)
