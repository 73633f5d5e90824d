"""A base for state machines of Hypothesis that drive a real desk and store."""

import asyncio
import shutil
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bot.policy.rules import Rules
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, open_harness


class DeskMachine(RuleBasedStateMachine):
    """Opens a desk with ``rules_of_desk`` for each example, and removes it afterwards.

    Invariants need no guard: Hypothesis checks them only after ``begin``.
    """

    rules_of_desk: Rules
    opening: AbstractAsyncContextManager[DeskHarness] | None = None
    harness: DeskHarness

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="sugarbot-machine-"))
        self.clock = FakeClock()
        self.prepare()
        self.do(self.open())

    def prepare(self) -> None:
        """Create what a subclass needs before the desk opens."""

    async def open(self) -> None:
        self.opening = open_harness(self.folder, clock=self.clock, rules=self.rules_of_desk)
        self.harness = await self.opening.__aenter__()

    async def close(self) -> None:
        if self.opening is not None:
            await self.opening.__aexit__(None, None, None)
            self.opening = None

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @rule(hours=st.integers(-3, 30))
    def let_time_pass(self, hours: int) -> None:
        self.clock.advance(seconds=3_600 * hours)

    def teardown(self) -> None:
        if self.opening is not None:
            self.do(self.close())
            self.loop.close()
            shutil.rmtree(self.folder)
