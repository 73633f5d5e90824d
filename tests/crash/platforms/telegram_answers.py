"""Kill the whole bot while it sends an answer to Telegram: after the next start each answer arrives."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.crash import whole_bot
from tests.crash.platforms.fork_server import ForkServer, is_alive, kill, open_fork_server
from tests.fakes.discord_gateway import until
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person, Sent
from tests.fakes.telegram_world import World
from tests.unit.engine.folders import write_model

ANSWERED_S = 20.0
NEVER_S = 60.0
SHOWN = Sent(
    -100_200, 80, "photo", "", (("Cancel", "v1:c:nothing"), ("Reroll", "v1:r:nothing"), ("Old", "v0:x"))
)
Act = Callable[[World, Person], object]

ACTS: dict[str, tuple[str, Act]] = {
    "/quota": ("sendMessage", lambda world, by: world.say("/quota", by=by)),
    "too long": ("sendMessage", lambda world, by: world.say("x" * 9_000, by=by)),
    "unknown command": ("sendMessage", lambda world, by: world.say("/sugr a fox", by=by)),
    "/cancel, refused": ("sendMessage", lambda world, by: world.say("/cancel", by=by)),
    "/link": ("sendMessage", lambda world, by: world.say("/link", by=by)),
    "a draw": ("sendMessage", lambda world, by: world.say("a fox", by=by)),
    "a picture": ("sendMessage", lambda world, by: world.say("", by=by, content={"photo": []})),
    "an edit": ("sendMessage", lambda world, by: world.say("a fox", by=by, edited=True)),
    "added to a group": ("sendMessage", lambda world, by: world.add_to(Group(-by.id), by=by)),
    "a press of Cancel": ("answerCallbackQuery", lambda world, by: world.press(SHOWN, "Cancel", by=by)),
    "a press of Reroll": ("answerCallbackQuery", lambda world, by: world.press(SHOWN, "Reroll", by=by)),
    "an old button": ("answerCallbackQuery", lambda world, by: world.press(SHOWN, "Old", by=by)),
}


@dataclass(frozen=True)
class Finding:
    """The result of the kills; ``lost`` names the answers that never arrived."""

    kills: int
    lost: tuple[str, ...]


def run(folder: Path, rounds: int) -> Finding:
    """Kill the bot ``rounds`` times during each action."""
    return asyncio.run(_run(folder, list(ACTS) * rounds))


async def _run(folder: Path, plan: list[str]) -> Finding:
    async with (
        FakeDiscord() as discord,
        TelegramServer() as telegram,
        open_fork_server(folder / "bots.log") as server,
    ):
        environ = whole_bot.environment(folder, write_model(folder / "models" / "tiny"), discord, telegram)
        del environ["DISCORD_TOKEN"]
        pid = await server.start(environ)
        lost = []
        for number, name in enumerate(plan):
            pid, has_arrived = await _killed(server, environ, telegram, pid, name, Person(1_000 + number))
            lost += [] if has_arrived else [name]
        if is_alive(pid):
            await kill(pid)
    return Finding(len(plan), tuple(lost))


async def _killed(
    server: ForkServer, environ: dict[str, str], telegram: TelegramServer, pid: int, name: str, by: Person
) -> tuple[int, bool]:
    """Kill the bot during one answer and start it again; return the new process and whether it answered."""
    method, act = ACTS[name]
    world = telegram.world
    asked, seen = len(telegram.named(method)), _answers(world)
    telegram.delays_s[method] = NEVER_S
    act(world, by)
    await telegram.wake()
    await until(lambda: len(telegram.named(method)) > asked, ANSWERED_S)
    await kill(pid)
    assert _answers(world) == seen, "the answer came before the kill"
    telegram.delays_s.clear()
    pid = await server.start(environ)
    try:
        await until(lambda: _answers(world) > seen, ANSWERED_S)
    except TimeoutError:
        return pid, False
    return pid, True


def _answers(world: World) -> int:
    """Count the messages and alerts that people got."""
    return len(world.messages) + len(world.alerts)
