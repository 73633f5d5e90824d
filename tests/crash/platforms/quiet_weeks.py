"""After a quiet week Telegram restarts at a random update id, perhaps a lower one: the bot skips none."""

import asyncio
from random import Random
from unittest.mock import patch

from bot.chats.telegram_ import TelegramChat, TelegramConfig, adapter
from bot.commands.values import Command, Help
from bot.outcomes import CommandContext
from tests.crash.platforms.telegram_direct import DirectRequest
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_server import TOKEN, TelegramServer
from tests.fakes.telegram_values import Person

PATIENCE_S = 60.0


def answer(command: Command, context: CommandContext) -> Help:
    return Help()


def quiet_weeks(weeks: int, seed: int = 1) -> tuple[int, int]:
    """Simulate ``weeks`` weeks, each with a few messages and then silence.

    Returns:
        How many messages people sent, and how many of them were never handled.
    """
    return asyncio.run(_quiet_weeks(weeks, Random(seed)))


async def _quiet_weeks(weeks: int, random: Random) -> tuple[int, int]:
    server, desk, sent = TelegramServer(), ScriptedDesk(answer), 0
    server.longest_poll_s = 0.001
    with patch.object(adapter, "_make_client", lambda *_, **__: DirectRequest(server)):
        chat = TelegramChat(TelegramConfig(TOKEN, server.base_url, server.base_url), desk)
        await chat.open()
        serving = asyncio.create_task(chat.serve(), name="telegram serve")
        for week in range(weeks):
            chat._rate_limiter._all_sent_at_s.clear()  # a week has passed
            lower = random.randint(1, max(1, server.world.next_update_id - 1))
            server.world.next_update_id = random.choice((lower, random.randint(1, 2**31), 1))
            for _ in range(random.randint(1, 5)):
                server.world.say("/help", by=Person(1_000 + week * 10 + sent % 10))
                sent += 1
                if random.random() < 0.5:
                    await asyncio.sleep(0)
            await server.wake()
            if not await _settled(desk, server, sent):
                break
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await chat.close()
    return sent, sent - len(desk.handled)


async def _settled(desk: ScriptedDesk, server: TelegramServer, sent: int) -> bool:
    """Wait until all messages are handled and a quiet week has passed; False after a timeout."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(desk.settled) < sent:  # noqa: ASYNC110 - the fake desk sends no signal
                await asyncio.sleep(0.001)
    except TimeoutError:
        return False
    polls = len(server.named("getUpdates"))
    while len(server.named("getUpdates")) < polls + 2:  # noqa: ASYNC110 - empty answers pass
        await asyncio.sleep(0.001)
    server.calls.clear()
    return True
