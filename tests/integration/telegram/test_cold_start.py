"""Every button under every answer, pressed after a cold start by its owner and by somebody else."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.commands.buttons import press_of
from bot.commands.values import Delete
from bot.outcomes import Platform
from bot.policy.rules import Rules
from tests.fakes.desk_harness import DeskHarness
from tests.fakes.renderer import Act, FakeRenderer
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import GROUP, serve_bot

OWNER, OTHER = Person(), Person(77, "Another")
RULES = Rules(
    hosts=frozenset({"telegram:1"}),
    allow=frozenset({"telegram:11", "telegram:77", f"telegram:{GROUP.id}"}),
    daily_credits=100_000,
    max_waiting=1_000,
)


@dataclass
class Presses:
    """Presses buttons one after another and collects those without a visible answer."""

    server: TelegramServer
    harness: DeskHarness
    answers: list[str] = field(default_factory=list)
    unanswered: list[tuple[str, str]] = field(default_factory=list)

    async def press(self, sent: Sent, label: str, by: Person) -> None:
        world = self.server.world
        before = self._visible(world)
        query_id = world.press(sent, label, by=by)
        await self.server.until(lambda: query_id in world.answered_presses, timeout_s=30.0)
        for _ in range(3_000):
            if not await self.harness.desk.pending_events(Platform.TELEGRAM):
                break
            await asyncio.sleep(0.01)
        self.answers.append(world.alerts.get(query_id) or world.toasts.get(query_id) or "")
        if not self.answers[-1] and self._visible(world) == before:
            self.unanswered.append((label, by.name))

    def _visible(self, world: World) -> Any:
        return len(world.history), len(world.messages), dict(world.reactions)


def last_of(world: World, chat_id: int, text: str) -> Sent:
    return [sent for sent in world.in_chat(chat_id) if text in sent.text and sent.buttons][-1]


async def test_every_button_is_answered_after_a_cold_start_for_its_owner_and_somebody_else(
    server: TelegramServer, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public and private jobs, one and two pictures, a list, a recipe: no press is left without an answer."""
    monkeypatch.setattr("bot.chats.telegram_.rate_limiter.GROUP_MESSAGES_PER_MINUTE", 10_000)
    made: list[Sent] = []
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
        for text, chat_id in (
            ("/sugar a fox -n 2 --size 512x512", GROUP.id),
            ("/sugar a hare --size 512x512", GROUP.id),
            ("/sugar a bear --private --size 512x512", 11),
        ):
            world.say(text, group=GROUP)
            wanted = text.split()[2]
            await server.until(
                lambda chat_id=chat_id, wanted=wanted: any(
                    wanted in sent.text and "Delete" in dict(sent.buttons) for sent in world.in_chat(chat_id)
                ),
                timeout_s=30.0,
            )
            made.append(last_of(world, chat_id, wanted))
        for text in ("/mine", "/recipe"):
            world.say(text)
        await server.until(lambda: all(_shown(world, text) for text in ("latest jobs", "Recipe ")))
        made += [last_of(world, 11, text) for text in ("latest jobs", "Recipe ")]
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES) as harness:
        presses = Presses(server, harness)
        for sent in made:
            ordered = sorted(sent.buttons, key=lambda button: isinstance(press_of(button[1]), Delete))
            ordered += [each for each in ordered if isinstance(press_of(each[1]), Delete)]  # a second press
            if sent.chat_id == GROUP.id:  # nobody else sees a private chat
                for label, _ in ordered:
                    await presses.press(sent, label, OTHER)
            for label, _ in ordered:
                await presses.press(sent, label, OWNER)
    assert presses.unanswered == []
    assert len(presses.answers) > 40
    assert not [text for text in presses.answers if "went wrong" in text or "another version" in text]
    assert [text for text in presses.answers if "someone else" in text], "a deletion by another person"


def _shown(world: World, text: str) -> bool:
    return any(text in sent.text and sent.buttons for sent in world.in_chat(11))


async def test_the_button_of_a_waiting_job_is_answered_after_a_cold_start(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    world.no_reactions.add(GROUP.id)
    async with serve_bot(server, tmp_path, FakeRenderer([Act.HANG], step_s=0.01), RULES):
        world.say("/sugar a fox", group=GROUP)
        await server.until(lambda: world.in_chat(GROUP.id))
    async with serve_bot(server, tmp_path, FakeRenderer([Act.HANG], step_s=0.01), RULES):
        [waiting] = world.in_chat(GROUP.id)
        query_id = world.press(waiting, "Cancel", by=OTHER)
        await server.until(lambda: "someone else" in world.alerts.get(query_id, ""))
        world.press(waiting, "Cancel", by=OWNER)
        await server.until(lambda: "Cancelled." in world.texts(GROUP.id)[0])


async def test_a_private_job_is_published_to_the_group_where_it_was_asked_for(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
        world.say("/sugar a bear --private", group=GROUP)
        await server.until(lambda: _shown(world, "a bear"))
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
        assert not [sent for sent in world.in_chat(GROUP.id) if sent.file]
        world.press(last_of(world, 11, "a bear"), "Publish")
        await server.until(lambda: [sent for sent in world.in_chat(GROUP.id) if sent.kind == "photo"])


async def test_a_draft_is_drawn_large_after_a_cold_start_for_its_owner_and_somebody_else(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
        world.say("/draft a wolf --size 512x512", group=GROUP)
        await server.until(lambda: any("No. 4" in dict(sent.buttons) for sent in world.in_chat(GROUP.id)))
        drafts = last_of(world, GROUP.id, "a wolf")
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
        for number, by in ((2, OTHER), (3, OWNER)):
            world.press(drafts, f"No. {number}", by=by)
            await server.until(
                lambda number=number: f"draft {number} of job" in last_of(world, GROUP.id, "a wolf").text
            )
            assert "512 × 512" in last_of(world, GROUP.id, "a wolf").text
