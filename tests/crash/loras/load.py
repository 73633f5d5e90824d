"""Twenty people draw on both platforms while a host switches LoRAs and files come, change, break and go.

Bot, worker and built-in model are real, the platforms are fakes in this process. Quiet blocks and blocks with
switches take turns, so that both see the same machine.
"""

import asyncio
import contextlib
import hashlib
import io
import itertools
import json
import math
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from PIL import Image
from pydantic import SecretStr
from safetensors.torch import load_file, save_file

from bot.app import DATABASE, Application, open_application, serve_chats
from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.telegram_ import TelegramChat, TelegramConfig
from bot.settings import Settings
from engine.config import BUILT_IN
from engine.demo.networks import LORAS
from engine.finish.metadata import read_settings
from tests.crash.whole_bot import UNFINISHED
from tests.fakes import discord_server, telegram_server
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import GUILD_ID, LOADING, MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person

PEOPLE = 20
NEIGHBOURS = 12  # ask for the built-in LoRAs or none; the others for what the host changes
SIZE = "128x128"
BUILT_IN_LORAS = ("none", "sugar", "anime", "realistic")
CHANGED = "mine"  # the file that is added, replaced, broken and removed
SEEDS = 3
PICTURE_S, SWITCH_S, READY_S = 120.0, 60.0, 90.0
LOOK_S = 0.02  # how often a person looks for an answer
READ_S = 1.0  # a person reads a sentence and asks again


@dataclass
class Load:
    """What people got.

    Attributes:
        waits_s: Of neighbours, without and with switches, in seconds.
        refused: Requests that were answered with a sentence, because the LoRA was not on the shelf.
        wrong: Pictures that are not what was accepted.
        lost: Requests without an answer.
        failed: Jobs that failed or do not end.
        pictures: That people saw.
        switched: Switches of a default that the answer confirmed.
        not_switched: Other answers to a host than expected.
        changes: Of the file.
    """

    waits_s: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    failed: list[str] = field(default_factory=list)
    pictures: int = 0
    switched: int = 0
    not_switched: list[str] = field(default_factory=list)
    changes: int = 0


class Crowd:
    """People, a host and the folder of one bot.

    Args:
        pause_s: Between two changes of the host.
    """

    def __init__(
        self,
        application: Application,
        discord: FakeDiscord,
        telegram: TelegramServer,
        folder: Path,
        pause_s: float,
    ) -> None:
        self.found = Load()
        self._pause_s = pause_s
        self._application = application
        self._discord = discord
        self._telegram = telegram
        self._path = folder / "loras" / f"{CHANGED}.safetensors"
        self._random = Random(20)
        self._seen: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
        self._contents = itertools.count(1)
        self._pngs: dict[str, bytes] = {}  # job → its picture

    async def block(self, pictures: int, *, has_switches: bool) -> None:
        """Let everybody draw so many pictures, one after the other."""
        if not self._is_offered():
            await self._put()
        switching = None
        if has_switches:
            switching = asyncio.create_task(self._switch(), name="host")
        people = (self._person(number, pictures, has_switches) for number in range(PEOPLE))
        await asyncio.gather(*people)
        if switching is not None:
            switching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await switching

    def check(self, database: Path) -> None:
        """Compare every picture with what its job was accepted with, and with others of the same settings."""
        with contextlib.closing(sqlite3.connect(database)) as open_database:
            rows = open_database.execute("SELECT id, state, fail, prompt, loras FROM job").fetchall()
        for job, state, fail, prompt, loras in rows:
            if state != "done":
                self.found.failed.append(f"{job}: {state} {fail}")
            elif job not in self._pngs:
                self.found.lost += 1
            else:
                self._check_picture(job, prompt, json.loads(loras))
        self.found.pictures = len(self._pngs)
        for settings, pixels in self._seen.items():
            if len(pixels) > 1:
                self.found.wrong.append(f"{len(pixels)} pictures of the same settings {settings}")
        pictures = [each for pixels in self._seen.values() for each in pixels]
        if len(set(pictures)) < len(pictures):
            self.found.wrong.append("the same picture of other settings")

    def _check_picture(self, job: str, prompt: str, accepted: list[dict[str, object]]) -> None:
        png = self._pngs[job]
        settings = read_settings(png)
        drawn = [] if settings is None else [(each.name, each.sha256, each.weight) for each in settings.loras]
        if settings is None or drawn != [(each["name"], each["sha256"], each["weight"]) for each in accepted]:
            self.found.wrong.append(f"{job}: accepted with {accepted}, drawn with {drawn}")
            return
        with Image.open(io.BytesIO(png)) as picture:
            pixels = hashlib.sha256(picture.tobytes()).hexdigest()
        self._seen[prompt, settings.seed, str([lora[1:] for lora in drawn])].add(pixels)

    async def _person(self, number: int, pictures: int, has_switches: bool) -> None:
        random, drawn = Random(self._random.random()), 0
        while drawn < pictures:
            if is_neighbour := number < NEIGHBOURS:
                lora = random.choice(BUILT_IN_LORAS)
            else:
                lora = random.choice((CHANGED, ""))  # without a name: the default
            began_s = time.perf_counter()
            png, name = await self._ask(number, lora, random.randrange(SEEDS))
            if not png:
                self.found.refused += bool(name)
                self.found.lost += not name
                drawn += not name
                await asyncio.sleep(READ_S)
                continue
            drawn += 1
            self._pngs[name.split("-")[1]] = png
            if is_neighbour:
                self.found.waits_s[has_switches].append(time.perf_counter() - began_s)
            settings = read_settings(png)
            names = [each.name for each in settings.loras] if settings else ["nothing readable"]
            if lora and names != ([] if lora == "none" else [lora]):
                self.found.wrong.append(f"asked for {lora}, drawn with {names}")

    async def _ask(self, number: int, lora: str, seed: int) -> tuple[bytes, str]:
        """Ask for a picture; return it and its name, or nothing and the sentence."""
        try:
            async with asyncio.timeout(PICTURE_S):
                if number % 2:
                    return await self._ask_on_discord(number, lora, seed)
                return await self._ask_on_telegram(number, lora, seed)
        except TimeoutError:
            return b"", ""

    async def _ask_on_discord(self, number: int, lora: str, seed: int) -> tuple[bytes, str]:
        options = {"prompt": "a face", "size": SIZE, "seed": seed} | ({"lora": lora} if lora else {})
        asked = await self._discord.slash("sugar", options, user_id=f"9000000000000001{number:02}")
        while True:
            await asyncio.sleep(LOOK_S)
            if asked.followups:  # only the person sees a refusal
                return b"", self._discord.messages[asked.followups[-1]]["text"]
            message = self._discord.messages.get(asked.message_id)
            if message is None or message["flags"] & LOADING:
                continue
            if files := self._discord.files.get(asked.message_id):
                [(name, png)] = files.items()
                return png, name
            if message["text"] and not _is_waiting(message["text"]):
                return b"", message["text"]

    async def _ask_on_telegram(self, number: int, lora: str, seed: int) -> tuple[bytes, str]:
        world, person = self._telegram.world, Person(100 + number)
        text = f"/sugar a face --size {SIZE} --seed {seed}" + (f" --lora {lora}" if lora else "")
        asked_id = world.say(text, by=person)
        await self._telegram.wake()
        while True:
            await asyncio.sleep(LOOK_S)
            for chat_id, message_id in reversed(world.messages):
                if message_id <= asked_id:
                    break
                sent = world.messages[chat_id, message_id]
                if chat_id != person.id:
                    continue
                if sent.file:
                    return sent.file, sent.file_name
                if sent.text and not _is_waiting(sent.text):
                    return b"", sent.text

    async def _switch(self) -> None:
        """Change the file and the defaults until cancelled."""
        while True:
            for other in ("anime", "sugar"):
                await self._switch_default(CHANGED, "bot")
                await self._switch_default(other, "chat")
                self._path.write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{]")  # as a copy that broke off
                await self._changed(lambda: not self._is_offered())
                await self._switch_default(CHANGED, "bot", works=False)
                await self._put()
                await self._switch_default(other, "bot")
                self._path.unlink()
                await self._changed(lambda: not self._is_offered())
                await self._put()

    def _is_offered(self, sha256: str = "") -> bool:
        """Whether people can choose the file, with this content if one is given."""
        file = self._application.desk.parts.shelf.find(CHANGED)
        return file is not None and file.sha256.startswith(sha256)

    async def _put(self) -> None:
        """Write a file that nobody has seen before, and wait until it is offered."""
        share = 1 - next(self._contents) / 100
        draft = self._path.with_suffix(".draft")
        tensors = load_file(LORAS / "realistic.safetensors")
        save_file({name: each * share for name, each in tensors.items()}, draft)
        sha256 = hashlib.sha256(draft.read_bytes()).hexdigest()
        draft.replace(self._path)
        await self._changed(lambda: self._is_offered(sha256))

    async def _changed(self, has_arrived: Callable[[], bool]) -> None:
        self.found.changes += 1
        await until(has_arrived, SWITCH_S)
        await asyncio.sleep(self._pause_s)

    async def _switch_default(self, name: str, where: str, *, works: bool = True) -> None:
        asked = await self._discord.slash("lora switch", {"name": name, "where": where})
        await until(lambda: asked.message_id and self._discord.answer_to(asked)["text"], SWITCH_S)
        text = self._discord.answer_to(asked)["text"]
        if ("now use" in text) is works:
            self.found.switched += works
        else:
            self.found.not_switched.append(text[:120])
        await asyncio.sleep(self._pause_s)


def _is_waiting(text: str) -> bool:
    return any(words in text for words in UNFINISHED)


@contextlib.asynccontextmanager
async def open_crowd(folder: Path, pause_s: float) -> AsyncIterator[Crowd]:
    """Open a bot on both platforms and wait for its worker."""
    (folder / "loras").mkdir(parents=True)
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "web": {"enabled": False},
            "quota": {"daily_credits": 100_000, "max_waiting": 100},
            "engine": {"model": BUILT_IN, "device": "cpu"},
            "hosts": [f"discord:{MEMBER_ID}"],
            "allow": [f"discord:{GUILD_ID}", "telegram:*"],
        }
    )
    async with (
        FakeDiscord() as discord,
        TelegramServer() as telegram,
        open_application(settings) as application,
    ):
        on_discord = DiscordConfig(
            token=SecretStr(discord_server.TOKEN),
            menu_file=folder / "discord-menu",
            identifies_file=folder / "discord-starts",
            api_base=discord.api_base,
            gateway=discord.gateway.url,
        )
        on_telegram = TelegramConfig(telegram_server.TOKEN, telegram.base_url)
        chats = [
            DiscordChat(on_discord, application.desk),
            TelegramChat(on_telegram, application.desk),
        ]
        async with serve_chats(application, chats):
            await application.worker
            await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), READY_S)
            yield Crowd(application, discord, telegram, folder, pause_s)


async def draw_under_load(folder: Path, blocks: int, pictures: int, pause_s: float) -> Load:
    """Draw in so many blocks of each kind; everybody gets so many pictures in each."""
    async with open_crowd(folder, pause_s) as crowd:
        await crowd.block(1, has_switches=False)  # fills caches
        crowd.found.waits_s[False].clear()
        for number in range(blocks):
            for has_switches in (False, True) if number % 2 else (True, False):  # none comes first always
                await crowd.block(pictures, has_switches=has_switches)
    crowd.check(folder / DATABASE)
    return crowd.found


async def draw_while_switching(folder: Path, pictures: int, pause_s: float) -> Load:
    """Draw in one block with switches."""
    async with open_crowd(folder, pause_s) as crowd:
        await crowd.block(pictures, has_switches=True)
    crowd.check(folder / DATABASE)
    return crowd.found


def longest_s(waits_s: Sequence[float]) -> float:
    """The wait that 99 of 100 do not exceed."""
    return sorted(waits_s)[math.ceil(0.99 * len(waits_s)) - 1]
