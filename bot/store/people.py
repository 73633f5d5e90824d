"""People, their credits and grants, the links between their identities, and the default LoRAs of chats.

Call every method that changes something in the transaction of the work that it belongs to.
"""

import json
from collections.abc import Iterable
from functools import partial

from bot.outcomes import CommandContext
from bot.store.database import Database
from bot.store.rows import AccountRow, DefaultLora, LedgerKind, LinkCodeRow


class People:
    """Queries on person, identity, account and ledger."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "people.sql")

    async def find(self, platform: str, user_id: str) -> int | None:
        """Return the person behind this identity, if it is known."""
        rows = await self._query("find_person", platform=platform, user_id=user_id)
        return rows[0]["person"] if rows else None

    async def find_or_create(self, context: CommandContext, now_ms: int) -> int:
        """Return the person who gave a command, created if new; update their name and language."""
        key = {"platform": context.platform, "user_id": context.user_id}
        identity = key | {"name": context.user_name, "locale": context.locale}
        if rows := await self._query("find_person", **key):
            await self._query("update_identity", **identity)
            return int(rows[0]["person"])
        [(person,)] = await self._query("add_person", now_ms=now_ms)
        await self._query("add_account", person=person)
        await self._query("add_identity", person=person, **identity)
        return int(person)

    async def identities(self) -> dict[str, int]:
        """Return the person behind every identity (``platform:user_id``)."""
        return {row["name"]: row["person"] for row in await self._query("identities")}

    async def account(self, person: int) -> AccountRow:
        """Return this person's credits."""
        [row] = await self._query("find_account", person=person)
        return AccountRow(**dict(row))

    async def renew(self, person: int, renews_at_s: int, given: int) -> None:
        """Store how much of the daily allowance is given, and until when it counts."""
        await self._query("set_allowance", person=person, renews_at_s=renews_at_s, given=given)

    async def granted_in_all(self, person: int) -> int:
        """Return what hosts and others gave this person, less what was taken or given away."""
        [(credits,)] = await self._query("granted_credits", person=person)
        return int(credits)

    async def move_credits(
        self,
        person: int,
        kind: LedgerKind,
        credits: int,
        at_ms: int,
        job: str | None = None,
        decided_by: str | None = None,
    ) -> bool:
        """Add signed ``credits`` to account and ledger; False, with nothing changed, if there are too few.

        ``decided_by`` is who grants or gives them, as ``platform:user_id``.
        """
        if not await self._query("move_credits", person=person, credits=credits):
            return False
        entry = {"person": person, "job": job, "kind": kind, "credits": credits, "at_ms": at_ms}
        await self._query("add_ledger_entry", **entry, decided_by=decided_by)
        return True


class GrantStore:
    """Queries on daily_grant; call what changes something in the transaction of its event."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "people.sql")

    async def set_daily(self, person: int, credits: int, until_ms: int, at_ms: int, decided_by: str) -> None:
        """Give a person credits a day; it replaces an earlier grant."""
        await self._query(
            "save_daily_grant",
            person=person,
            credits=credits,
            until_ms=until_ms,
            at_ms=at_ms,
            decided_by=decided_by,
        )

    async def end_daily(self, person: int) -> bool:
        """Let the usual allowance hold again; False if there was no grant."""
        return bool(await self._query("delete_daily_grant", person=person))

    async def merge(self, merged: int, kept: int, now_ms: int) -> None:
        """Let person ``kept`` have the larger grant of both; one that is over does not count."""
        await self._query("merge_daily_grants", merged=merged, kept=kept, now_ms=now_ms)
        await self._query("delete_daily_grant", person=merged)


class Links:
    """Link codes, and how people are merged and split; queries on identity and link_code."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "people.sql")

    async def identities_of(self, person: int) -> tuple[tuple[str, str], ...]:
        """Return the person's identities: (platform, user id)."""
        return tuple((row[0], row[1]) for row in await self._query("identities_of", person=person))

    async def people_of(self, names: Iterable[str]) -> tuple[tuple[int, str], ...]:
        """Return (person, identity) for those of these identities (``platform:user_id``) that are known."""
        rows = await self._query("people_of", names=json.dumps(list(names)))
        return tuple((row[0], row[1]) for row in rows)

    async def add_code(self, code: str, person: int, platform: str, now_ms: int, expires_ms: int) -> None:
        """Store a person's new code; it replaces an earlier one."""
        await self._query("delete_codes", person=person, now_ms=now_ms)
        await self._query("add_code", code=code, person=person, platform=platform, expires_ms=expires_ms)

    async def find_code(self, code: str, now_ms: int) -> LinkCodeRow | None:
        """Return the code unless it has expired."""
        rows = await self._query("find_code", code=code, now_ms=now_ms)
        return LinkCodeRow(**dict(rows[0]) | {"used": bool(rows[0]["used"])}) if rows else None

    async def reserve_code(self, code: str, identity: str, event_id: str) -> None:
        """Reserve the code for this identity unless another has it."""
        await self._query("reserve_code", code=code, typed_by=identity, typed_event=event_id)

    async def merge(self, merged: int, kept: int, code: str) -> None:
        """Move identities, jobs, ledger and credits of person ``merged`` to ``kept``; the code is used."""
        both = {"kept": kept, "merged": merged}
        await self._query("merge_accounts", **both)
        await self._query("move_identities", **both)
        await self._query("move_jobs", **both)
        await self._query("move_uses", **both)
        await self._query("move_reports", **both)
        await self._query("delete_reports", merged=merged)
        await self._query("move_ledger", **both)
        await self._query("move_codes", **both)
        await self._query("move_favourites", **both)
        await self._query("delete_favourites", merged=merged)
        await self._query("add_earlier_people", **both)
        await self._query("delete_earlier_people", merged=merged)
        await self._query("delete_account", merged=merged)
        await self._query("delete_person", merged=merged)
        await self._query("use_code", code=code)

    async def split(self, platform: str, user_id: str, person: int, now_ms: int) -> int:
        """Make this identity a new person with an empty account; everything else stays with ``person``.

        Returns:
            The new person.
        """
        [(new,)] = await self._query("add_person", now_ms=now_ms)
        await self._query("add_split_account", person=new, was=person)
        await self._query("move_identity", person=new, platform=platform, user_id=user_id)
        return int(new)


class DefaultLoras:
    """Queries on chat_default, bot_default and chat_alias."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "people.sql")

    async def of(self, platform: str, chat_id: str, parent_chat_id: str = "") -> DefaultLora | None:
        """Return the chat's default, else its parent's, else the bot's; None if no host set one."""
        rows = await self._query("chat_default", platform=platform, chat_id=chat_id)
        if not rows and parent_chat_id:
            rows = await self._query("chat_default", platform=platform, chat_id=parent_chat_id)
        rows = rows or await self._query("bot_default")
        return DefaultLora(**dict(rows[0])) if rows else None

    async def of_bot(self) -> DefaultLora | None:
        """Return the bot's default; None if no host set one."""
        rows = await self._query("bot_default")
        return DefaultLora(**dict(rows[0])) if rows else None

    async def set_for_chat(self, platform: str, chat_id: str, default: DefaultLora) -> None:
        """Set the default of one chat."""
        await self._query(
            "set_chat_default", platform=platform, chat_id=chat_id, lora=default.lora, weight=default.weight
        )

    async def set_for_bot(self, default: DefaultLora) -> None:
        """Set the default of all chats without their own."""
        await self._query("set_bot_default", lora=default.lora, weight=default.weight)

    async def reset_chat(self, platform: str, chat_id: str) -> None:
        """Delete the chat's own default."""
        await self._query("delete_chat_default", platform=platform, chat_id=chat_id)

    async def reset_bot(self) -> None:
        """Delete the default that a host set for the bot."""
        await self._query("delete_bot_default")

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Move a chat's default to its new id unless that has its own, and store the earlier id."""
        chat = {"platform": platform, "earlier": earlier, "now": now}
        await self._query("copy_chat_default", **chat)
        await self._query("delete_chat_default", platform=platform, chat_id=earlier)
        await self._query("add_alias", **chat)

    async def earlier_ids(self, platform: str, chat_id: str) -> tuple[str, ...]:
        """Return the ids that this chat had before."""
        return tuple(
            row["chat_id"] for row in await self._query("earlier_ids", platform=platform, chat_id=chat_id)
        )
