"""A real desk on a real database, with a fake renderer, clock and card: for tests of the whole desk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from bot.commands.values import Draw
from bot.desk.build import DeskInputs, build_desk
from bot.desk.desk import Desk
from bot.desk.files import file_name
from bot.desk.retention.expiry import PictureExpiry
from bot.outcomes import Address, CommandContext, Platform, Receipt
from bot.policy.rules import Rules
from bot.store import Store, open_store
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.prompt_tokens import PromptLength
from engine.planner.costs.book import CostBook
from engine.planner.headroom import Headroom
from engine.shelf import LoraFile, Shelf, Sidecar
from tests.fakes.chat import FakeChat
from tests.fakes.clock import FakeClock
from tests.fakes.lora_folder import shelf_inputs
from tests.fakes.new_database import MIGRATIONS, write_new_database
from tests.fakes.renderer import FakeRenderer

HOST = "host"  # the console's host, in bot.policy.rules
MODEL = ModelInfo(
    name="tiny",
    folder=Path("nowhere"),
    native_width_px=128,
    native_height_px=128,
    min_side_px=64,
    max_side_px=2048,
    max_area_px=2048 * 1024,
)
SUGAR = LoraFile(
    name="sugar",
    path=Path("sugar.safetensors"),
    sha256="a" * 64,
    bytes=1,
    rank=32,
    sidecar=Sidecar(titles={"en": "Sugar face", "zh-CN": "糖面部"}, trigger="sugar face", weight=0.8),
)
ANIME = LoraFile(name="anime", path=Path("anime.safetensors"), sha256="b" * 64, bytes=1, rank=16)
SHELF = Shelf(files={"sugar": SUGAR, "anime": ANIME})


class FakeProbe:
    """A card with this much free memory."""

    def __init__(self, free_bytes: int = 2**40, total_bytes: int = 2**40) -> None:
        self.free_bytes = free_bytes
        self.total_bytes = total_bytes

    def read(self) -> Headroom:
        used_bytes = self.total_bytes - self.free_bytes
        return Headroom(self.free_bytes, self.total_bytes, used_bytes, "a test's card", "a test says so")


async def until(is_so: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Return as soon as ``is_so``; TimeoutError if it does not come true."""
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110 - the code under test sends no signal
            await asyncio.sleep(0.001)


def is_delivered(folder: Path) -> bool:
    """Whether the bot whose database is here has recorded that every result was sent."""
    with closing(sqlite3.connect(folder / "sugarbot.db")) as database:
        return not database.execute("SELECT 1 FROM outbox WHERE state <> 'sent'").fetchone()


@dataclass
class DeskHarness:
    """An open desk and the fakes around it."""

    folder: Path
    store: Store
    desk: Desk
    renderer: FakeRenderer
    clock: FakeClock
    probe: FakeProbe
    chat: FakeChat

    async def accept(
        self,
        event_id: str = "1",
        user_id: str = "ann",
        *,
        platform: Platform = Platform.CONSOLE,
        **wanted: Any,
    ) -> Receipt:
        """Send a ``Draw`` with these values that the desk must accept."""
        context = a_context(event_id, user_id, platform=platform)
        receipt = await self.desk.handle(Draw(**{"prompt": "a"} | wanted), context)
        assert isinstance(receipt, Receipt)
        return receipt

    async def job(self, job_id: str) -> JobRow:
        """Return the row of a job that must exist."""
        job = await self.store.jobs.find(job_id)
        assert job is not None
        return job

    @property
    def picture_files(self) -> list[Path]:
        """The picture files on the disk, in the order of their names."""
        return sorted((self.folder / "pictures").rglob("*.png"))

    async def picture_file(self, job_id: str, index: int = 0) -> Path:
        """Return the file of one picture, which must exist in the database."""
        rows = await self.store.jobs.pictures_of([job_id])
        return self.folder / "pictures" / next(file_name(row) for row in rows if row.idx == index)

    def expiry(self, keep_days: int) -> PictureExpiry:
        """Return the daily work on the desk's pictures."""
        parts = self.desk.parts
        return PictureExpiry(
            store=self.store,
            loose_files=parts.loose_files,
            space=parts.space,
            keep_days=lambda: keep_days,
        )

    @asynccontextmanager
    async def running(self, drain_s: float = 5.0) -> AsyncIterator[None]:
        """Run the desk with the one chat while the block runs; then drain it."""
        run = asyncio.create_task(self.desk.run({self.chat.platform: self.chat}), name="desk")
        try:
            yield
        finally:
            try:
                await self.desk.drain(drain_s)
                await run
            finally:
                run.cancel()  # done, unless we were cancelled here
                await asyncio.wait({run})


def a_context(
    event_id: str,
    user_id: str = "ann",
    *,
    platform: Platform = Platform.CONSOLE,
    chat_id: str = "here",
    locale: str = "en",
) -> CommandContext:
    """A message ``event_id`` of a person in a chat."""
    return CommandContext(
        platform=platform,
        event_id=event_id,
        user_id=user_id,
        address=Address(platform, chat_id, ref=f"ref-{event_id}"),
        locale=locale,
        user_name=f"name of {user_id}",
    )


def in_group(
    event_id: str,
    user_id: str = "ann",
    *,
    chat_id: str = "group",
    private_address: Address | None = None,
) -> CommandContext:
    """A message of a person in a chat that others read."""
    context = a_context(event_id, user_id, chat_id=chat_id)
    return replace(context, is_group=True, private_address=private_address)


@asynccontextmanager
async def open_harness(
    folder: Path,
    *,
    renderer: FakeRenderer | None = None,
    clock: FakeClock | None = None,
    chat: FakeChat | None = None,
    rules: Rules | None = None,
    shelf: Shelf = SHELF,
    default_lora: str = "",
    is_loading: Callable[[], bool] = lambda: False,
    seed: int | None = None,
    model: ModelInfo = MODEL,
    measure: Callable[[str], PromptLength] | None = None,
    reserve_bytes: int = 0,
    migrates: bool = False,
) -> AsyncIterator[DeskHarness]:
    """Open a desk on ``folder``, new or as an earlier one left it.

    Args:
        migrates: Make a new database by its migrations, as a first start does, instead of by a copy.
    """
    renderer, clock, chat, probe = (
        renderer or FakeRenderer(),
        clock or FakeClock(),
        chat or FakeChat(),
        FakeProbe(),
    )
    if not migrates:
        await write_new_database(folder / "sugarbot.db")
    store = await open_store(folder / "sugarbot.db", MIGRATIONS)
    try:
        desk = build_desk(
            DeskInputs(
                store=store,
                renderer=renderer,
                shelf=shelf,
                stated=await store.consents.stated(),
                model=model,
                probe=probe,
                costs=CostBook("a test"),
                rules=rules or Rules(),
                pictures_dir=folder / "pictures",
                clock=clock,
                default_lora=default_lora,
                is_loading=is_loading,
                random=Random(seed),
                measure=measure,
                reserve_bytes=lambda: reserve_bytes,
                **shelf_inputs(folder),
            )
        )
        yield DeskHarness(folder, store, desk, renderer, clock, probe, chat)
    finally:
        await store.close()
