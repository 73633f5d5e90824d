"""One page with a password, over sockets, for all tests of the folder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.chats.web import CardPanel, OperatorSources, WebChat
from bot.monitoring.recent_log import RecentLog
from bot.policy.rules import Rules
from bot.settings import PasswordHash
from engine.host.report import WorkerError
from engine.planner.monitor import CardReading
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.renderer import FakeRenderer

GIB = 2**30
PASSWORD = "a gate of jade"
NOW_S = 1_800_000_000.0


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.settings.password._COST", 2)


def a_reading(number: int) -> CardReading:
    """The card at one of many moments, with values that move."""
    return CardReading(
        at_s=NOW_S + 15.0 * number,
        total_bytes=24 * GIB,
        weights_bytes=12 * GIB,
        lora_bytes=GIB * (number % 3) // 2,
        work_bytes=GIB * (1 + number % 5) // 2,
        other_bytes=2 * GIB,
        headroom_bytes=20 * GIB - GIB * (number % 4),
        utilisation=(number % 10) / 10,
        temperature_c=50 + number % 20,
        power_w=120.0 + 10 * (number % 17),
        waiting=number % 6,
    )


@dataclass
class Machine:
    """What the tab reads from memory; a test changes it."""

    readings: list[CardReading] = field(default_factory=lambda: [a_reading(number) for number in range(120)])
    worker_errors: list[WorkerError] = field(default_factory=list)
    log: RecentLog = field(default_factory=RecentLog)

    @property
    def sources(self) -> OperatorSources:
        return OperatorSources(lambda: self.readings, lambda: self.worker_errors, self.log)


@dataclass
class OperatorPage:
    """The open page, the desk and the machine behind it."""

    harness: DeskHarness
    chat: WebChat
    machine: Machine
    password: list[PasswordHash | None]


@asynccontextmanager
async def open_operator_page(
    folder: Path, *, password: str = PASSWORD, step_s: float = 0.06
) -> AsyncIterator[OperatorPage]:
    """Open a page; an empty ``password`` is none."""
    machine, known = Machine(), [PasswordHash.of(password) if password else None]
    rules = Rules(daily_credits=1_000, page_has_password=bool(password))
    async with open_harness(
        folder, renderer=FakeRenderer(step_s=step_s), rules=rules, default_lora="sugar"
    ) as harness:
        card = CardPanel("A card of a test", 9 * GIB, 3 * GIB, 12 * GIB)
        chat = WebChat(
            harness.desk,
            card=lambda: card,
            password=lambda: known[0],
            sources=machine.sources,
            host="127.0.0.1",
            port=0,
        )
        harness.chat = chat
        async with harness.running():
            await chat.open()
            try:
                yield OperatorPage(harness, chat, machine, known)
            finally:
                await chat.close()
