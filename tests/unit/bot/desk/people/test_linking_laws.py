"""Whatever people do with /link and /unlink, in whatever order: the ledger explains all, nothing is minted.

sum of the ledger = credits, person by person · nobody is given more allowance in a day than there are names
to give it to · joining and parting add nothing · what is not granted is never hoarded beyond a day's
allowance · every job, ledger row and name belongs to somebody
"""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from bot.commands.values import Cancel, Command, Draw, Link, Quota, Unlink
from bot.errors import NotPossible
from bot.outcomes import LinkCode, Linked, Platform, Receipt, Unlinked
from bot.policy.rules import DAY_S, Entitlement, Rules, Tier
from bot.store.rows import LedgerKind
from tests.crash.laws import LAWS
from tests.fakes.desk_harness import a_context
from tests.fakes.desk_machine import DeskMachine

DAILY, PATRONS_DAILY = 6, 15
NAMES = tuple(
    (platform, user) for platform in (Platform.DISCORD, Platform.TELEGRAM) for user in ("1", "2", "3")
)
PATRON = "discord:1"
RULES = Rules(
    daily_credits=DAILY,
    max_waiting=3,
    allow=frozenset({"discord:*", "telegram:*"}),
    tiers=(Tier(frozenset({PATRON}), Entitlement(2, PATRONS_DAILY)),),
)
MOST_A_DAY = DAILY * (len(NAMES) - 1) + PATRONS_DAILY
OF_LINKS = (
    "credits that the ledger does not explain",
    "a person without an account",
    "a person without an identity",
    "a row without its parent",
)

names = st.sampled_from(NAMES)


class LinkingLaws(DeskMachine):
    """Links, unlinks, draws and cancels in any order."""

    rules_of_desk = RULES

    def prepare(self) -> None:
        self.event, self.granted, self.refunded = 0, 0, 0

    def say(self, name: tuple[Platform, str], command: Command) -> Any:
        self.event += 1
        platform, user_id = name
        context = a_context(f"event {self.event}", user_id, platform=platform, chat_id=user_id)
        try:
            return self.do(self.harness.desk.handle(command, context))
        except NotPossible:
            return None

    def ask(self, sql: str) -> list[Any]:
        return [tuple(row) for row in self.do(self.harness.store._run(sql))]

    def all_credits(self) -> int:
        [(total,)] = self.ask("SELECT coalesce(sum(credits), 0) FROM account")
        return int(total)

    @rule(name=names, count=st.integers(1, 4))
    def draw(self, name: tuple[Platform, str], count: int) -> None:
        receipt = self.say(name, Draw(prompt="a", count=count))
        assert receipt is None or isinstance(receipt, Receipt)

    @rule(name=names)
    def cancel(self, name: tuple[Platform, str]) -> None:
        if cancelled := self.say(name, Cancel()):
            self.refunded += cancelled.refund

    @rule(name=names)
    def look(self, name: tuple[Platform, str]) -> None:
        self.say(name, Quota())

    @rule(name=names, credits=st.integers(1, 20))
    def grant(self, name: tuple[Platform, str], credits: int) -> None:
        if person := self.do(self.harness.store.people.find(*name)):
            self.granted += credits
            self.do(self.give(person, credits))

    async def give(self, person: int, credits: int) -> None:
        async with self.harness.store.atomic():
            await self.harness.store.people.move_credits(person, LedgerKind.GRANT, credits, self.clock())

    @rule(one=names, other=names)
    def link(self, one: tuple[Platform, str], other: tuple[Platform, str]) -> None:
        issued = self.say(one, Link())
        assert isinstance(issued, LinkCode)
        if self.say(other, Link(issued.code)) is None:  # the same person, or two of one platform
            return
        for name in (one, other):
            self.say(name, Quota())  # today's allowance is given, so that what follows is the link's doing
        before = self.all_credits()
        assert isinstance(self.say(other, Link(issued.code)), Linked)
        assert self.all_credits() <= before

    @rule(name=names)
    def unlink(self, name: tuple[Platform, str]) -> None:
        self.look(name)
        before = self.all_credits()
        parted = self.say(name, Unlink())
        assert parted is None or isinstance(parted, Unlinked)
        assert before - (PATRONS_DAILY - DAILY) <= self.all_credits() <= before

    @rule(one=names, other=names)
    def hoard(self, one: tuple[Platform, str], other: tuple[Platform, str]) -> None:
        """The game to lose: fill a second account up each day and pour it into the first."""
        for _ in range(4):
            self.look(one)
            self.look(other)
            self.link(one, other)
            self.unlink(other)
            self.let_time_pass(24)

    @invariant()
    def the_laws_hold(self) -> None:

        for law in OF_LINKS:
            assert self.ask(LAWS[law]) == [], law
        given: Counter[int] = Counter()
        for at_ms, credits in self.ask("SELECT at_ms, credits FROM ledger WHERE kind = 'allowance'"):
            given[at_ms // 1_000 // DAY_S] += credits
        assert all(credits <= MOST_A_DAY for credits in given.values())
        [(richest,)] = self.ask("SELECT coalesce(max(credits), 0) FROM account")
        assert richest <= PATRONS_DAILY + self.granted + self.refunded
        waiting = self.ask("SELECT id, person FROM job WHERE state = 'queued'")
        entries = self.harness.desk.parts.queue.scheduler._entries
        assert {(entry.job_id, entry.job.person_id) for entry in entries} == set(waiting)
        charged = "SELECT count(*) FROM job JOIN ledger ON job = job.id AND job.person = ledger.person"
        assert self.ask(f"{charged} WHERE kind = 'charge'") == self.ask("SELECT count(*) FROM job")


TestLinkingLaws = LinkingLaws.TestCase
TestLinkingLaws.settings = settings(
    max_examples=40, stateful_step_count=15, suppress_health_check=list(HealthCheck)
)
