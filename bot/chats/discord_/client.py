"""The discord.py client of the bot: no privileged intent, no cache, no more identifies than allowed."""

import asyncio
from collections.abc import Awaitable, Callable

import discord
import structlog
import yarl

from bot.chats.discord_.incoming.event_kinds import EVENT_RULES, kind_of_interaction, require_answerable
from bot.chats.discord_.incoming.inbox import EventInbox
from bot.chats.discord_.library_internals import FilteringClient, Interaction
from bot.chats.discord_.limits import IdentifyLimiter, RefusalCounter
from bot.chats.discord_.outgoing.sender import NO_MENTIONS
from bot.chats.event_table import RawEvent

log = structlog.get_logger()
API_BASE = "https://discord.com/api/v10"
GATEWAY = "wss://gateway.discord.gg/"
NEXT_IDENTIFY_S = 5.0  # Discord allows one identify in five seconds; discord.py's own hook waits as long
BUTTONS_AND_FORMS = (discord.InteractionType.component, discord.InteractionType.modal_submit)


class DiscordClient(FilteringClient):
    """One connection; discord.py keeps it alive and resumes it.

    Attributes:
        session_started: Set once Discord has accepted the session; interactions arrive from then on.
    """

    def __init__(
        self,
        *,
        gateway: str,
        proxy: str | None,
        heartbeat_timeout_s: float,
        inbox: EventInbox,
        identifies: IdentifyLimiter,
        refusals: RefusalCounter,
        on_press: Callable[[Interaction], Awaitable[None]],
        on_message: Callable[[RawEvent], None],
    ) -> None:
        super().__init__(
            accepts_interaction=self._accepts,
            on_message=on_message,
            intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True),
            proxy=proxy,
            allowed_mentions=NO_MENTIONS,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            http_trace=refusals.trace,
            heartbeat_timeout=heartbeat_timeout_s,
        )
        self.session_started = asyncio.Event()
        self._gateway = gateway
        self._inbox = inbox
        self._identifies = identifies
        self._on_press = on_press

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """discord.py calls this before each new session, also after a session that could not be resumed."""
        wait_s = await asyncio.to_thread(self._identifies.wait_s)
        await asyncio.sleep(max(wait_s, 0.0 if initial else NEXT_IDENTIFY_S))
        await asyncio.to_thread(self._identifies.record)

    async def on_connect(self) -> None:
        """A session started; a gateway of the host's choice also serves the resume."""
        if yarl.URL(self._gateway) != yarl.URL(GATEWAY):
            self.set_resume_gateway(self._gateway)
        self.session_started.set()

    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer a pressed button, however old its message is; the command tree handles commands."""
        if interaction.type in BUTTONS_AND_FORMS:
            await self._on_press(interaction)

    async def disconnect(self) -> None:
        """End the connection; unlike after ``close``, another connection can follow."""
        await super().disconnect()
        self.session_started.clear()

    def _accepts(self, event: RawEvent) -> bool:
        kind = kind_of_interaction(event)
        if not EVENT_RULES[kind].is_answered:
            log.info("interaction ignored", interaction_id=event["id"], kind=kind.value)
            return False
        require_answerable(event)
        return self._inbox.mark_seen(event)
