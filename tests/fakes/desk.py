"""A desk that answers what a test tells it to, for tests of one chat alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.commands.values import Command
from bot.desk.outcomes import Address, LoraCard, Outcome, Platform, Visit

Answer = Callable[[Command, Visit], Outcome]


@dataclass
class ScriptedDesk:
    """Implements ``bot.chats.contract.Desk``: records what chats ask and answers with ``answer``."""

    answer: Answer
    cards: tuple[LoraCard, ...] = ()
    handled: list[tuple[Command, Visit]] = field(default_factory=list)
    addresses: dict[str, Address] = field(default_factory=dict)
    inbox: dict[tuple[Platform, str], str] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    migrations: list[tuple[str, str]] = field(default_factory=list)

    async def handle(self, command: Command, visit: Visit) -> Outcome:
        self.handled.append((command, visit))
        return self.answer(command, visit)

    async def chat_migrated(self, platform: Platform, old_chat_id: str, new_chat_id: str) -> None:
        self.migrations.append((old_chat_id, new_chat_id))

    async def moved(self, job_id: str, address: Address) -> None:
        self.addresses[job_id] = address

    def suggest_loras(self, typed: str, locale: str) -> tuple[LoraCard, ...]:
        return tuple(card for card in self.cards if typed.lower() in card.name)[:25]

    async def take_in(self, platform: Platform, events: Sequence[tuple[str, str]]) -> None:
        for event_id, payload in events:
            self.inbox.setdefault((platform, event_id), payload)

    async def taken_in(self, platform: Platform) -> tuple[tuple[str, str], ...]:
        return tuple((key, payload) for (where, key), payload in self.inbox.items() if where is platform)

    async def settle(self, platform: Platform, event_id: str) -> None:
        self.settled.append(event_id)
        self.inbox.pop((platform, event_id), None)
