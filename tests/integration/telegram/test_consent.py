"""Who may use a LoRA, in conversations: allowed, refused, and taken back while jobs wait and run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bot.outcomes import Platform
from bot.policy.rules import Rules
from tests.fakes.clock import FakeClock
from tests.fakes.consent import RECEIPT_PARTS, shelf_owned_by
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.renderer import Act, FakeRenderer
from tests.fakes.telegram_app import serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person
from tests.fakes.telegram_world import World

OWNER, MEMBER = Person(21, "The owner"), Person(22, "A member")
RULES = Rules(allow=frozenset({"telegram:21", "telegram:22"}))


@asynccontextmanager
async def serve_bot(
    server: TelegramServer, folder: Path, renderer: FakeRenderer, clock: FakeClock | None = None
) -> AsyncIterator[DeskHarness]:
    shelf = shelf_owned_by("telegram:21")
    async with (
        open_harness(folder, rules=RULES, renderer=renderer, shelf=shelf, clock=clock) as harness,
        serving(server, harness.desk) as chat,
    ):
        run = asyncio.create_task(harness.desk.run({Platform.TELEGRAM: chat}), name="desk")
        try:
            yield harness
        finally:
            await harness.desk.drain(5.0)
            await run


async def test_an_owner_allows_and_takes_back_a_face_while_it_is_drawn(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer([Act.HANG], step_s=0.01)) as harness:
        world.say("a fox --lora face", by=MEMBER)
        await server.until(lambda: any("that you can use here" in text for text in world.texts(22)))
        world.say("/loras", by=MEMBER)
        await server.until(lambda: any("style" in text for text in world.texts(22)))
        assert not any("- face" in text or "face ·" in text for text in world.texts(22)[1:])
        world.say("/loraallow face --person telegram:22", by=OWNER)
        await server.until(lambda: "telegram:22 may use face from now on." in world.texts(21))
        world.say("a fox --lora face", by=MEMBER)
        await server.until(lambda: harness.renderer.running)
        world.say("a hare --lora face", by=MEMBER)
        await server.until(lambda: len(harness.renderer.received) == 2)
        world.say("/lora revoke face", by=OWNER)
        await server.until(lambda: any("Nobody may use face" in text for text in world.texts(21)))
        await server.until(lambda: sum("may not be used any more" in text for text in world.texts(22)) == 2)
        assert all("Credits refunded: 1." in text for text in world.texts(22) if "any more" in text)
        world.say("a lynx --lora face", by=OWNER)
        await server.until(lambda: any("that you can use here" in text for text in world.texts(21)))


async def test_a_receipt_shows_helpers_bounds_and_scaling(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer([Act.HANG], step_s=0.01)) as harness:
        world.say("a fox --lora face:1.5 --lora style:2", by=OWNER)
        await server.until(lambda: harness.renderer.received)
        request = harness.renderer.received[0]
        assert [(lora.name, lora.weight) for lora in request.loras] == [
            ("face", 1.0), ("style", 1.0), ("patch", 0.5),
        ]  # fmt: skip
        await server.until(
            lambda: any(
                all(part in str(call.params.get("text")) for part in RECEIPT_PARTS) for call in server.calls
            )
        )


async def test_the_monthly_report_arrives_in_the_owner_s_private_chat(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with serve_bot(server, tmp_path, FakeRenderer(), clock):
        world.say("a fox --lora face", by=OWNER)
        await server.until(lambda: any(sent.kind == "photo" for sent in world.in_chat(21)))
    month = f"{datetime.fromtimestamp(clock() / 1_000, UTC):%Y-%m}"
    clock.advance(seconds=31 * 86_400)
    async with serve_bot(server, tmp_path, FakeRenderer(), clock):
        await server.until(lambda: any(f"used in {month}" in text for text in world.texts(21)))
        [report] = [sent for sent in world.in_chat(21) if f"used in {month}" in sent.text]
        assert "face: 1 pictures in 1 jobs of 1 people" in report.text
        world.press(report, "Take back face", by=OWNER)
        await server.until(lambda: any("Nobody may use face" in text for text in world.texts(21)))
