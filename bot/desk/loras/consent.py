"""Who may use which LoRA: the file's sidecar, and what its owner and the hosts decide in chats.

A sidecar that names people or chats, or that says that the LoRA depicts a real person, opens it to those
alone and to its owner. A decision in a chat wins over the sidecar. Nobody, not even the owner, may use a LoRA
that was withdrawn or has expired; hosts may use no more than others, but may allow it to themselves. Several
linked identities are one person. Who may not use the helper of a LoRA may not use the LoRA. A copy or renamed
file without restrictions of its own is for those who may use the other one, also after a restart, and one of
a content that was withdrawn under another name is for nobody: see ``statements``.

Everything is answered from memory: decisions change it when they are committed. The same rule holds at
acceptance, for lists and suggestions, and once more before a job is drawn.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from bot.commands.reading import HERE_WORDS, subject_of
from bot.commands.text import normalize
from bot.commands.values import LoraAllow, LoraRevoke
from bot.desk.loras.shelf import LoraShelf
from bot.desk.results import JobCompletion
from bot.errors import OwnersOnly
from bot.outcomes import CommandContext, JobState, LoraAllowed, LoraRevoked
from bot.policy.live import LiveRules
from bot.policy.rules import chats_of, is_host
from bot.store import Store
from bot.store.rows import GrantKind, GrantRow, JobRow, StatedRow
from engine.request import FailReason
from engine.shelf import LoraFile, Sidecar

log = structlog.get_logger("bot.desk")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a LoRA, and where.

    Attributes:
        people: The person's identities, as ``platform:user_id``.
        chats: The chat, the channel of a thread, and the server, as ``platform:id``.
    """

    people: frozenset[str]
    chats: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided in chats.

    Attributes:
        grants: By LoRA, as names are compared: kind and subject → whether it is allowed.
        withdrawn: Names of LoRAs that nobody may use.
        withdrawn_sha256: Their contents.
        linked: Identity → all identities of its person, for people who have several.
    """

    grants: Mapping[str, Mapping[tuple[GrantKind, str], bool]] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()
    withdrawn_sha256: frozenset[str] = frozenset()
    linked: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def person(self, identity: str) -> frozenset[str]:
        """Return all identities of the person who has this one."""
        return self.linked.get(identity) or frozenset({identity})

    def allow(self, name: str, sha256: str, sidecar: Sidecar, asker: Asker, now_ms: int) -> bool:
        """Whether this person may use this LoRA here and now."""
        lora = normalize(name)
        if lora in self.withdrawn or sha256 in self.withdrawn_sha256 or has_expired(sidecar, now_ms):
            return False
        if sidecar.owner in asker.people:
            return True
        for kind, names, listed in (
            (GrantKind.PERSON, asker.people, sidecar.people),
            (GrantKind.CHAT, asker.chats, sidecar.chats),
        ):
            if (decided := self._decided(lora, kind, names)) is not None:
                return decided
            if not listed.isdisjoint(_with_wildcards(names)):
                return True
        return not sidecar.says_who

    def allowed_in_chat(self, name: str, asker: Asker) -> bool:
        """Whether it was decided that this person, or this chat, may use this LoRA."""
        lora = normalize(name)
        of_person = self._decided(lora, GrantKind.PERSON, asker.people)
        return bool(self._decided(lora, GrantKind.CHAT, asker.chats) if of_person is None else of_person)

    def _decided(self, lora: str, kind: GrantKind, names: frozenset[str]) -> bool | None:
        grants = self.grants.get(lora, {})
        decided = [grants[kind, name] for name in names if (kind, name) in grants]
        return all(decided) if decided else None


def has_expired(sidecar: Sidecar, now_ms: int) -> bool:
    """Whether the time of a LoRA is over."""
    return sidecar.expires_ms is not None and now_ms >= sidecar.expires_ms


class ConsentLedger:
    """Answers who may use what, and carries out ``/lora allow`` and ``/lora revoke``.

    Args:
        stop_drawing: Stops a running job.
        withdraw: Tells the worker which contents it must forget and refuse.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        shelf: LoraShelf,
        completion: JobCompletion,
        rules: LiveRules,
        stop_drawing: Callable[[str], None],
        withdraw: Callable[[frozenset[str]], None],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._completion = completion
        self._rules = rules
        self._stop_drawing = stop_drawing
        self._withdraw = withdraw
        self._clock = clock
        self._decisions = Decisions()

    async def load(self) -> None:
        """Load what was decided; call it at the start, and when people are linked or unlinked."""
        async with self._store.atomic():
            self._apply_after_commit(await self._read())

    def may_use(self, context: CommandContext, file: LoraFile) -> bool:
        """Whether the person of a command may use this LoRA now, and there."""
        people = self._decisions.person(f"{context.platform}:{context.user_id}")
        asker, now_ms = Asker(people, frozenset(chats_of(context))), self._clock()
        helpers = [self._shelf.find(helper.name) for helper in file.sidecar.helpers]
        return all(
            self._allow(self._decisions, each.name, each.sha256, each.sidecar, asker, now_ms)
            for each in (file, *filter(None, helpers))
        )

    def is_for_everybody(self, file: LoraFile) -> bool:
        """Whether somebody of whom nothing is known may use this LoRA now."""
        nobody = Asker(frozenset(), frozenset())
        return self._allow(self._decisions, file.name, file.sha256, file.sidecar, nobody, self._clock())

    async def may_draw(self, job: JobRow) -> bool:
        """Whether every LoRA of a stored job may still be used by its person, where it was asked for."""
        return await self._may_draw(job, self._decisions)

    async def allow(self, command: LoraAllow, context: CommandContext) -> LoraAllowed:
        """Let a person or a chat use a LoRA; without either, end its withdrawal.

        Raises:
            PersonError: UnknownLora, OwnersOnly, BadSubject.
        """
        file = self._require(command.lora, context)
        kind, subject = _subject_of(command, context)
        async with self._store.atomic():
            if kind is None:
                await self._store.consents.restore(normalize(file.name))
            else:
                await self._decide(file, kind, subject, context, allowed=True)
            self._apply_after_commit(await self._read())
        log.info("lora allowed", lora=file.name, kind=kind)
        return LoraAllowed(file.name, subject)

    async def revoke(self, command: LoraRevoke, context: CommandContext) -> LoraRevoked:
        """Take a LoRA back from a person or a chat; without either, from everybody.

        Jobs that may not be drawn any more end in the same transaction, with a refund of what is not drawn.

        Raises:
            PersonError: UnknownLora, OwnersOnly, BadSubject.
        """
        file = self._require(command.lora, context)
        kind, subject = _subject_of(command, context)
        async with self._store.atomic():
            if kind is None:
                by, now_ms = f"{context.platform}:{context.user_id}", self._clock()
                await self._store.consents.withdraw(normalize(file.name), file.sha256, by, now_ms)
            else:
                await self._decide(file, kind, subject, context, allowed=False)
            decisions = await self._read()
            self._apply_after_commit(decisions)
            ended = await self._end_forbidden(decisions)
        log.info("lora revoked", lora=file.name, kind=kind, ended=ended)
        return LoraRevoked(file.name, subject, ended)

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Let what holds for a chat hold for its new id."""
        was, becomes = f"{platform}:{earlier}", f"{platform}:{now}"
        await self._store.consents.move_chat(was, becomes)
        for stated in self._shelf.statements.all():
            if was in stated.sidecar.chats:
                grant = GrantRow(normalize(stated.name), GrantKind.CHAT, becomes, allowed=True)
                await self._store.consents.set_grant(grant, stated.sidecar.owner, self._clock())
        self._apply_after_commit(await self._read())

    def _require(self, typed: str, context: CommandContext) -> LoraFile | StatedRow:
        """Return a LoRA about which this person may decide: its owner, and hosts.

        Raises:
            UnknownLora: This person may see no LoRA of this name.
            OwnersOnly: This person may use it, and no more.
        """
        people = self._decisions.person(f"{context.platform}:{context.user_id}")
        decides = is_host(context, self._rules.now)

        def may_decide(file: LoraFile) -> bool:
            return decides or self._shelf.statements.owner_of(file) in people

        file = self._shelf.find(typed, may_decide)
        known = self._shelf.statements.last_of(typed)  # also one that has left: jobs have copies of it
        if known is not None and (decides or known.sidecar.owner in people):
            is_same = file and (normalize(file.name) == normalize(typed) or file.sha256 == known.sha256)
            return file if file and is_same else known  # a name goes before the title of another LoRA
        if file is not None:
            return file
        usable = partial(self.may_use, context)
        if (seen := self._shelf.find(typed, usable)) is not None:
            raise OwnersOnly(name=seen.name)
        raise self._shelf.unknown(typed, usable)

    async def _decide(
        self,
        file: LoraFile | StatedRow,
        kind: GrantKind,
        subject: str,
        context: CommandContext,
        *,
        allowed: bool,
    ) -> None:
        """Store a decision for a chat, or for every identity that a person has now."""
        by = f"{context.platform}:{context.user_id}"
        subjects = self._decisions.person(subject) if kind is GrantKind.PERSON else {subject}
        for one in sorted(subjects):
            grant = GrantRow(normalize(file.name), kind, one, allowed)
            await self._store.consents.set_grant(grant, by, self._clock())

    async def _end_forbidden(self, decisions: Decisions) -> int:
        """End the unfinished jobs that may not be drawn any more, and return how many there were."""
        jobs, ended = self._store.jobs, 0
        for job in (*await jobs.in_state(JobState.RUNNING), *await jobs.in_state(JobState.QUEUED)):
            if await self._may_draw(job, decisions):
                continue
            await self._completion.end(job, JobState.FAILED, fail=FailReason.LORA_WITHDRAWN)
            ended += 1
            if job.state == JobState.RUNNING:
                self._stop_after_commit(job.id)
        return ended

    def _stop_after_commit(self, job_id: str) -> None:
        self._store.after_commit(lambda: self._stop_drawing(job_id))

    async def _may_draw(self, job: JobRow, decisions: Decisions) -> bool:
        identities = await self._store.links.identities_of(job.person)
        people = frozenset(f"{platform}:{user_id}" for platform, user_id in identities)
        asker, now_ms = Asker(people, frozenset(job.asked_in)), self._clock()
        for lora in job.recipe.loras:
            stated = self._shelf.statements.last_of(lora.name)
            sidecar = stated.sidecar if stated else Sidecar()
            if not self._allow(decisions, lora.name, lora.sha256, sidecar, asker, now_ms):
                return False
        return True

    def _allow(
        self, decisions: Decisions, name: str, sha256: str, sidecar: Sidecar, asker: Asker, now_ms: int
    ) -> bool:
        """As ``Decisions.allow``, for all that is stated about the content.

        Without a statement or a decision on who may use this LoRA, those of its content's other names hold.
        """
        stated = self._shelf.statements.of_content(sha256)
        if any(normalize(each.name) in decisions.withdrawn for each in stated if decisions.withdrawn):
            return False
        if not decisions.allow(name, sha256, sidecar, asker, now_ms):
            return False
        if sidecar.says_who:
            return True
        if decisions.allowed_in_chat(name, asker):
            return not any(has_expired(each.sidecar, now_ms) for each in stated)
        return all(decisions.allow(each.name, sha256, each.sidecar, asker, now_ms) for each in stated)

    async def _read(self) -> Decisions:
        consents = self._store.consents
        grants: defaultdict[str, dict[tuple[GrantKind, str], bool]] = defaultdict(dict)
        for grant in await consents.grants():
            grants[grant.lora][grant.kind, grant.subject] = grant.allowed
        withdrawn = await consents.withdrawals()
        contents = {each for lora in withdrawn for each in self._shelf.statements.contents_of(lora)}
        linked = {name: people for people in await consents.linked() for name in people}
        return Decisions(grants, frozenset(withdrawn), frozenset({*withdrawn.values(), *contents}), linked)

    def _apply_after_commit(self, decisions: Decisions) -> None:
        def apply() -> None:
            is_changed = decisions.withdrawn_sha256 != self._decisions.withdrawn_sha256
            self._decisions = decisions
            if is_changed:
                self._withdraw(decisions.withdrawn_sha256)

        self._store.after_commit(apply)


def _with_wildcards(names: frozenset[str]) -> frozenset[str]:
    return names | {f"{name.partition(':')[0]}:*" for name in names}


def _subject_of(command: LoraAllow | LoraRevoke, context: CommandContext) -> tuple[GrantKind | None, str]:
    """Return whom a command concerns, as ``platform:id``; None and an empty text for everybody.

    Raises:
        BadSubject: Neither a mention, nor an id, nor ``platform:id``.
    """
    if command.person:
        return GrantKind.PERSON, subject_of(command.person, context.platform)
    if normalize(command.chat) in HERE_WORDS:
        return GrantKind.CHAT, f"{context.platform}:{context.address.chat_id}"
    if command.chat:
        return GrantKind.CHAT, subject_of(command.chat, context.platform)
    return None, ""
