"""Who may use which LoRA, who has used it, and the reports on that.

Call every method that changes something in the transaction of the work that it belongs to.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import partial

from bot.store.database import Database
from bot.store.rows import GrantKind, GrantRow, OutboxState, OwnerReportRow, StatedRow, UseCount
from engine.formatting import normalize
from engine.request import LoraChoice
from engine.shelf import Sidecar


class Consents:
    """Queries on lora_content, lora_grant, lora_withdrawal and lora_use."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "consent.sql")

    async def stated(self) -> tuple[StatedRow, ...]:
        """Return what was stated about every content that a LoRA has or had, oldest first."""
        return tuple(
            StatedRow(
                row["name"],
                row["sha256"],
                Sidecar(
                    depicts_person=bool(row["depicts_person"]),
                    consent=row["consent"],
                    owner=row["owner"],
                    people=frozenset(json.loads(row["people"])),
                    chats=frozenset(json.loads(row["chats"])),
                    expires_ms=row["expires_ms"],
                ),
            )
            for row in await self._query("stated")
        )

    async def state(self, rows: Iterable[StatedRow], now_ms: int) -> None:
        """Store statements; each replaces the earlier one on the same content of the same LoRA."""
        stated = [
            {
                "lora": normalize(row.name),
                "name": row.name,
                "sha256": row.sha256,
                "depicts_person": int(row.sidecar.depicts_person),
                "consent": row.sidecar.consent,
                "owner": row.sidecar.owner,
                "people": sorted(row.sidecar.people),
                "chats": sorted(row.sidecar.chats),
                "expires_ms": row.sidecar.expires_ms,
            }
            for row in rows
        ]
        await self._query("state", rows=json.dumps(stated), now_ms=now_ms)

    async def grants(self) -> tuple[GrantRow, ...]:
        """Return every decision about one person or chat."""
        rows = await self._query("grants")
        return tuple(
            GrantRow(row["lora"], GrantKind(row["kind"]), row["subject"], bool(row["allowed"]))
            for row in rows
        )

    async def set_grant(self, grant: GrantRow, granted_by: str, now_ms: int) -> None:
        """Store a decision; it replaces an earlier one about the same person or chat."""
        await self._query(
            "set_grant",
            lora=grant.lora,
            kind=grant.kind,
            subject=grant.subject,
            allowed=int(grant.allowed),
            granted_by=granted_by,
            now_ms=now_ms,
        )

    async def move_chat(self, earlier: str, now: str) -> None:
        """Let what was decided about a chat hold for its new id; both are ``platform:chat_id``."""
        await self._query("move_grants", earlier=earlier, now=now)

    async def withdrawals(self) -> dict[str, str]:
        """Return the LoRAs that nobody may use, by name, with their sha256."""
        return {row["lora"]: row["sha256"] for row in await self._query("withdrawals")}

    async def withdraw(self, lora: str, sha256: str, withdrawn_by: str, now_ms: int) -> None:
        """Store that nobody may use a LoRA any more."""
        await self._query("withdraw", lora=lora, sha256=sha256, withdrawn_by=withdrawn_by, now_ms=now_ms)

    async def restore(self, lora: str) -> None:
        """Let those who might use a LoRA before use it again."""
        await self._query("restore", lora=lora)

    async def linked(self) -> tuple[frozenset[str], ...]:
        """Return the identities (``platform:user_id``) of each person who has more than one."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        for row in await self._query("linked"):
            found[row["person"]].add(row["name"])
        return tuple(map(frozenset, found.values()))

    async def add_uses(self, job_id: str, loras: Iterable[LoraChoice], pictures: int, now_ms: int) -> None:
        """Store that a job's pictures were drawn with these LoRAs, by the job's present person."""
        for lora in loras:
            await self._query(
                "add_use", job=job_id, lora=lora.name, sha256=lora.sha256, pictures=pictures, now_ms=now_ms
            )

    async def uses_between(self, loras: Iterable[str], from_ms: int, to_ms: int) -> tuple[UseCount, ...]:
        """Return what was drawn with these LoRAs from one moment until before another."""
        rows = await self._query("uses_between", loras=json.dumps(list(loras)), from_ms=from_ms, to_ms=to_ms)
        return tuple(UseCount(**dict(row)) for row in rows)


class OwnerReportQueue:
    """Queries on owner_report."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "owner_reports.sql")

    async def add(self, platform: str, user_id: str, period: str, content: str) -> None:
        """Queue a report of a month for a person, unless they have it."""
        await self._query(
            "add_owner_report", platform=platform, user_id=user_id, period=period, content=content
        )

    async def take(self, platform: str, now_ms: int) -> OwnerReportRow | None:
        """Take the platform's oldest report that is due; it counts as sending until marked."""
        rows = await self._query("take_owner_report", platform=platform, now_ms=now_ms)
        return OwnerReportRow(**dict(rows[0])) if rows else None

    async def mark(self, report_id: int, state: OutboxState, not_before_ms: int) -> None:
        """Store how a delivery ended."""
        await self._query("mark_owner_report", id=report_id, state=state, not_before_ms=not_before_ms)

    async def recover(self) -> None:
        """After a stop, mark what was being sent as possibly delivered."""
        await self._query("recover_owner_reports")
