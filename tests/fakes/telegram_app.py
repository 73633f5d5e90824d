"""The real Telegram adapter, running against the fake server with a scripted desk."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from bot.chats.contract import Desk
from bot.chats.telegram_ import TelegramChat, TelegramConfig
from bot.chats.telegram_.address import ChatAddress
from bot.commands.buttons import data_of
from bot.commands.values import Cancel, Command, Draw, Help, Quota, Reroll
from bot.messages import button_label
from bot.outcomes import (
    Address,
    CancelAccepted,
    CommandContext,
    CreditBalance,
    JobResult,
    JobState,
    Outcome,
    PictureFile,
    Receipt,
    Recipe,
    Status,
    controls_of,
)
from engine.request import FailReason
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_server import TOKEN, TelegramServer

RECIPE = Recipe("a face", (), 64, 64, 7, 1, 8, typed="a face")


def buttons_of(answer: Receipt | JobResult, locale: str = "en") -> tuple[tuple[str, str], ...]:
    """The labels and data of the buttons of an answer, as the chat must show them."""
    return tuple(
        (button_label(each.label, locale, number=each.number, name=each.name), data_of(each.command))
        for each in controls_of(answer)
    )


@dataclass
class Script:
    """Answers like a desk: a new job for a new event, the first receipt for a known one."""

    jobs: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, Address] = field(default_factory=dict)

    def __call__(self, command: Command, context: CommandContext) -> Outcome:
        match command:
            case Draw() | Reroll():
                is_known = context.event_id in self.jobs
                job_id = self.jobs.setdefault(context.event_id, f"j{len(self.jobs) + 1}")
                address = self.addresses.get(job_id, context.address) if is_known else None
                return Receipt(job_id, RECIPE, 1, 9, 0, None, repeated=is_known, address=address)
            case Cancel(job_id=job_id):
                return CancelAccepted(job_id, was_running=False, refund=1)
            case Quota():
                return CreditBalance(9, 10, 1_790_000_000)
        return Help()


@asynccontextmanager
async def serving(server: TelegramServer, desk: Desk, *, token: str = TOKEN) -> AsyncIterator[TelegramChat]:
    """Open the adapter and serve until the block ends."""
    chat = TelegramChat(TelegramConfig(token, server.base_url, server.base_url), desk)
    if isinstance(desk, ScriptedDesk):
        desk.chat = chat
    try:
        await chat.open()
        task = asyncio.create_task(chat.serve(), name="telegram serve")
        try:
            yield chat
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await chat.close()


def png(colour: str = "peru", side_px: int = 16) -> bytes:
    """Make a small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (side_px, side_px), colour).save(buffer, "PNG")
    return buffer.getvalue()


def make_result(
    address: ChatAddress,
    folder: Path,
    *contents: bytes,
    state: JobState = JobState.DONE,
    fail: FailReason | None = None,
    locale: str = "en",
    job_id: str = "j1",
) -> JobResult:
    """Make the result of an ended job; ``contents`` are its picture files."""
    pictures = []
    for index, content in enumerate(contents):
        path = folder / f"{job_id}-{index}.png"
        path.write_bytes(content)
        pictures.append(PictureFile(index, 7 + index, path))
    return JobResult(
        job_id=job_id,
        address=address.to_address(),
        user_id="11",
        user_name="Member",
        locale=locale,
        private=False,
        state=state,
        recipe=RECIPE,
        pictures=tuple(pictures),
        price=len(contents),
        refund=0,
        credits_left=9,
        seconds=1.5,
        fail=fail,
    )


def make_status(
    address: ChatAddress, *, job_id: str = "j1", step: int = 0, position: int | None = None
) -> Status:
    """Make the status of a job that waits at ``position``, or is being drawn."""
    return Status(
        job_id, address.to_address(), "en", 1, position, step=step, steps=0 if position is not None else 8
    )
