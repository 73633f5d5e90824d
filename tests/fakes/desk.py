"""A desk with scripted answers, for tests of one chat alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.commands.values import Command, Delete, Draw, Reroll
from bot.errors import PersonError, PressAgain
from bot.outcomes import (
    Address,
    ChatOutput,
    CommandContext,
    Deleted,
    LoraAdding,
    LoraSummary,
    MessagesLeft,
    Outcome,
    OwnPicture,
    PictureFile,
    PictureMessage,
    Platform,
)

Answer = Callable[[Command, CommandContext], Outcome]


def delete_if_sure(command: Command, _context: CommandContext) -> Outcome:
    """The answer of a desk to ``Delete``."""
    assert isinstance(command, Delete)
    if not command.is_sure:
        raise PressAgain(job_id=command.job_id, seconds=30)
    return Deleted(command.job_id)


@dataclass
class ScriptedDesk:
    """Implements ``bot.chats.contract.Desk``: records what chats ask and answers with ``answer``."""

    answer: Answer
    loras: tuple[LoraSummary, ...] = ()
    presets: tuple[str, ...] = ()
    progress: LoraAdding | None = None
    languages: dict[str, str] = field(default_factory=dict)
    handled: list[tuple[Command, CommandContext]] = field(default_factory=list)
    addresses: dict[str, Address] = field(default_factory=dict)
    inbox: dict[tuple[Platform, str], str] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    answers: dict[tuple[Platform, str], Outcome | PersonError] = field(default_factory=dict)
    migrations: list[tuple[str, str]] = field(default_factory=list)
    kept_ids: dict[tuple[str, str, int], str] = field(default_factory=dict)
    messages: dict[tuple[str, str], PictureMessage] = field(default_factory=dict)
    own: tuple[OwnPicture, ...] = ()
    host_ids: tuple[str, ...] = ()
    chat: ChatOutput | None = None

    async def handle(self, command: Command, context: CommandContext) -> Outcome:
        """Repeat the answer to a known event; only commands that make a job are scripted again."""
        event = (context.platform, context.event_id)
        if event not in self.answers:
            self.handled.append((command, context))
            try:
                self.answers[event] = self.answer(command, context)
            except PersonError as error:
                self.answers[event] = error
        elif isinstance(command, Draw | Reroll):
            return self.answer(command, context)
        answer = self.answers[event]
        if isinstance(answer, PersonError):
            raise answer
        return answer

    async def placeholder_of(self, job_id: str) -> Address | None:
        return self.addresses.get(job_id)

    async def migrate_chat(self, platform: Platform, old_chat_id: str, new_chat_id: str) -> None:
        self.migrations.append((old_chat_id, new_chat_id))

    async def keep_file_id(
        self, platform: Platform, job_id: str, picture: PictureFile, form: str, file_id: str
    ) -> None:
        self.kept_ids[form, job_id, picture.index] = file_id

    async def file_ids(
        self, platform: Platform, job_ids: Sequence[str], form: str
    ) -> dict[tuple[str, int], str]:
        found = self.kept_ids.items()
        return {
            (job, index): its for (its_form, job, index), its in found if its_form == form and job in job_ids
        }

    async def keep_messages(self, messages: Sequence[PictureMessage]) -> None:
        self.messages |= {(each.chat_id, each.message_id): each for each in messages}

    async def find_message(self, platform: Platform, chat_id: str, message_id: str) -> PictureMessage | None:
        return self.messages.get((chat_id, message_id))

    async def delete_messages(self, job_id: str) -> MessagesLeft:
        """Let ``chat`` delete the messages, as the desk does."""
        shown = [each for each in self.messages.values() if each.job_id == job_id]
        left = await self.chat.delete_messages(shown, "en") if self.chat else ()
        self.messages = {key: each for key, each in self.messages.items() if each.job_id != job_id}
        return MessagesLeft(left)

    async def find_own(
        self, search: str, context: CommandContext, form: str, page: int = 1
    ) -> tuple[OwnPicture, ...]:
        return self.own if page == 1 else ()

    async def store_placeholder(self, job_id: str, address: Address) -> None:
        self.addresses[job_id] = address

    def progress_of(self, context: CommandContext) -> LoraAdding | None:
        return self.progress

    def suggest_loras(self, typed: str, context: CommandContext) -> tuple[LoraSummary, ...]:
        return tuple(card for card in self.loras if typed.lower() in card.name)[:25]

    def suggest_presets(self, typed: str, context: CommandContext) -> tuple[str, ...]:
        return tuple(name for name in self.presets if typed in name)

    def locale_of(self, context: CommandContext) -> str:
        of_all = context.space_locale if context.is_group else ""
        return of_all or self.languages.get(context.user_id, context.locale)

    def tier_groups(self, platform: Platform) -> tuple[str, ...]:
        return ()

    def hosts(self, platform: Platform) -> tuple[str, ...]:
        return self.host_ids

    def wants_private(self, command: Command, context: CommandContext) -> bool:
        return isinstance(command, Draw) and bool(command.private)

    async def store_events(self, platform: Platform, events: Sequence[tuple[str, str]]) -> None:
        for event_id, payload in events:
            self.inbox.setdefault((platform, event_id), payload)

    async def pending_events(self, platform: Platform) -> tuple[tuple[str, str], ...]:
        return tuple((key, payload) for (where, key), payload in self.inbox.items() if where is platform)

    async def finish_event(self, platform: Platform, event_id: str) -> None:
        self.settled.append(event_id)
        self.inbox.pop((platform, event_id), None)
