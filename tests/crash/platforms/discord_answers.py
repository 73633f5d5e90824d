"""Kill the whole bot while it sends an answer to Discord: after the next start each answer arrives."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash import whole_bot
from tests.crash.platforms.fork_server import ForkServer, is_alive, kill, open_fork_server
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Request
from tests.fakes.discord_payloads import BOT_ID, LOADING
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.unit.engine.folders import write_model

ANSWERED_S = 20.0
MOMENTS = ("acknowledged", "answering", "answered")
FOX = {"prompt": "a fox", "size": "512x512"}
Act = Callable[[FakeDiscord, Interaction], Awaitable[Interaction | str]]

ACTS: dict[str, Act] = {
    "/quota": lambda discord, drawn: discord.slash("quota"),
    "/mine": lambda discord, drawn: discord.slash("mine"),
    "/cancel, refused": lambda discord, drawn: discord.slash("cancel"),
    "/link": lambda discord, drawn: discord.slash("link"),
    "/sugar": lambda discord, drawn: discord.slash("sugar", FOX),
    "/sugar, refused": lambda discord, drawn: discord.slash("sugar", FOX | {"lora": "nobody"}),
    "a press, refused": lambda discord, drawn: discord.press(drawn.message_id, "v1:c:nothing"),
    "a press of Reroll": lambda discord, drawn: discord.press(drawn.message_id),
    "text": lambda discord, drawn: discord.send_message("a fox --size 512x512", in_guild=False),
    "a mention, refused": lambda discord, drawn: discord.send_message(f"<@{BOT_ID}> a fox --lora nobody"),
    "a picture": lambda discord, drawn: discord.send_message(
        "", in_guild=False, attachments=[{"filename": "a.png"}]
    ),
    "/quota as text": lambda discord, drawn: discord.send_message("/quota", in_guild=False),
}


@dataclass(frozen=True)
class Finding:
    """The outcome; ``lost`` names the answers that never arrived."""

    kills: int
    lost: tuple[str, ...]
    twice: int


def run(folder: Path, rounds: int) -> Finding:
    """Kill the bot at every moment of every act, this many times; 0 means at one moment of each act."""
    plan = [(name, moment) for name in ACTS for moment in MOMENTS] * rounds
    return asyncio.run(_run(folder, plan or list(zip(ACTS, MOMENTS * len(ACTS), strict=False))))


async def _run(folder: Path, plan: list[tuple[str, str]]) -> Finding:
    async with (
        FakeDiscord() as discord,
        TelegramServer() as telegram,
        open_fork_server(folder / "bots.log") as server,
    ):
        model = write_model(folder / "models" / "tiny")
        environ = whole_bot.environment(folder, model, discord, telegram)
        environ["SUGARBOT_ALLOW"] += ",discord:*"
        del environ["TELEGRAM_TOKEN"]
        environ["TEST_RENDERER"] = "steady"  # the first picture must be complete
        bot = Bot(server, environ, discord)
        await bot.start()
        try:
            drawn = await discord.slash("sugar", FOX)
            await until(lambda: drawn.message_id and discord.answer_to(drawn)["attachments"], ANSWERED_S)
            found = [
                (f"{name}, {moment}", await bot.killed(ACTS[name], moment, drawn)) for name, moment in plan
            ]
        finally:
            await bot.end()
    met = [(name, answers) for name, answers in found if answers is not None]
    lost = Counter(name for name, answers in met if not answers)
    return Finding(len(met), tuple(lost), sum(answers > 1 for _, answers in met))


class Bot:
    """A bot that is started again after each kill."""

    def __init__(self, server: ForkServer, environ: dict[str, str], discord: FakeDiscord) -> None:
        self._server = server
        self._environ = environ
        self._discord = discord
        self._pid = 0

    async def start(self) -> None:
        """Start the bot; return once it is connected."""
        sessions = len(self._discord.gateway.identified)
        self._pid = await whole_bot.start_bot(self._server, self._environ)
        await until(lambda: len(self._discord.gateway.identified) > sessions, ANSWERED_S)

    async def end(self) -> None:
        """Kill the bot if it is alive."""
        if is_alive(self._pid):
            await kill(self._pid)

    async def killed(self, act: Act, moment: str, drawn: Interaction) -> int | None:
        """Kill the bot at this moment of the act, start it again, and return the final number of answers.

        None if the act has no such moment: a message is not acknowledged, a refusal may be the first call.
        """
        discord, died = self._discord, asyncio.Event()
        earlier = {*discord.person_messages, *discord.interactions}

        async def die(request: Request) -> None:
            if not died.is_set() and _is_about(request, discord, earlier) and _is_at(request, moment):
                died.set()
                await self.end()
                raise ConnectionError

        setattr(discord, "before" if moment == "answering" else "after", die)
        asked = await act(discord, drawn)
        try:
            async with asyncio.timeout(1.0):
                await died.wait()
        except TimeoutError:
            return None
        finally:
            discord.before = discord.after = None
        await until(lambda: not is_alive(self._pid))
        await self.start()
        with contextlib.suppress(TimeoutError):  # the figures show it
            await until(lambda: _answers(discord, asked) and not self._unsettled(), ANSWERED_S)
        return _answers(discord, asked)

    def _unsettled(self) -> int:
        folder = Path(self._environ["SUGARBOT_DATA_DIR"])
        return whole_bot._count(folder, "SELECT count(*) FROM inbox WHERE settled = 0")


def _is_about(request: Request, discord: FakeDiscord, earlier: Collection[str]) -> bool:
    """Whether the request belongs to the last act, and not to an earlier one."""
    reference = (request.body or {}).get("message_reference") or {}
    new = {*discord.person_messages, *discord.interactions} - {*earlier}
    return str(reference.get("message_id")) in new or not new.isdisjoint(request.path.split("/"))


def _is_at(request: Request, moment: str) -> bool:
    is_acknowledging = request.path.endswith("/callback")
    if moment == "acknowledged":
        return is_acknowledging and request.body["type"] in (5, 6)
    return not is_acknowledging and request.method in ("PATCH", "POST")


def _answers(discord: FakeDiscord, asked: Interaction | str) -> int:
    """The number of answers that the person sees."""
    if isinstance(asked, str):
        return len(discord.replies(asked))
    shown: dict[str, Any] = discord.messages.get(asked.message_id, {})
    is_press_seen = asked.callbacks and asked.callbacks[0]["type"] == 6
    is_shown = bool(shown.get("text")) and not shown["flags"] & LOADING and not is_press_seen
    return int(is_shown) + len(asked.followups)
