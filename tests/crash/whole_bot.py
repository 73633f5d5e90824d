"""Kill the whole bot repeatedly while people of both platforms use it, then check the laws.

Only the renderer is fake: the process, its packages, discord.py, python-telegram-bot and SQLite are real.
The platforms are fakes that outlive the bot and record what people see.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import reduce
from operator import add
from pathlib import Path
from random import Random
from typing import Any

from tests.crash.laws import LAWS
from tests.crash.platforms.fork_server import ForkServer, is_alive, kill, open_fork_server
from tests.fakes import discord_server, telegram_server
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import GUILD_ID, LOADING
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person, Sent
from tests.unit.engine.folders import write_model

PEOPLE = 6  # at least; a chat accepts one message per second of real time
MESSAGES_A_PERSON = 50  # at most, so that the run ends in time
READY_S = 30.0
ALL_DONE_S = 300.0
GROUPS = 200  # each accepts 20 messages per minute of real time
STARTS = "discord-starts.json"
SPAN_S = 0.35  # after the bot has connected; half of the kills happen while it starts
START_SPAN_S = 0.6
UNFINISHED = (
    "Got it",
    "ahead of you",
    "You are next",
    "Drawing",
    "on its way",
)  # texts of jobs that have not ended
DELIVERED = "an ended job without its one sent result"


@dataclass
class SimulatedPeople:
    """The simulated people and what they have sent."""

    random: Random
    discord: FakeDiscord
    telegram: TelegramServer
    interactions: list[Interaction] = field(default_factory=list)
    messages: list[tuple[int, int]] = field(default_factory=list)  # chat id, message id
    is_on_discord: bool = True
    number: int = PEOPLE

    async def act(self) -> None:
        """Do one random action of a person."""
        chance = self.random.random()
        count = self.random.choice((1, 1, 2, 3))
        if chance < 0.4 or not self.is_on_discord:
            person = Person(self.random.randint(11, 10 + self.number))
            is_group = self.random.random() < 0.1
            group = Group(-100_200 - self.random.randrange(GROUPS)) if is_group else None
            # Each request has words of its own: the same one again within a minute is no second job.
            text = f"fox {len(self.messages)} -n {count}"
            message_id = self.telegram.world.say(f"/sugar {text}" if group else text, by=person, group=group)
            self.messages.append((group.id if group else person.id, message_id))
            await self.telegram.wake()
        elif self.discord.gateway.is_connected:
            await self._act_on_discord(chance, count)

    async def _act_on_discord(self, chance: float, count: int) -> None:
        user_id = str(900_000_000_000_000_030 + self.random.randint(1, self.number))
        try:
            if chance < 0.85 or not self.interactions:
                options = {
                    "prompt": f"face {len(self.interactions)}",
                    "count": count,
                    "private": self.random.random() < 0.2,
                }
                self.interactions.append(await self.discord.slash("sugar", options, user_id=user_id))
            elif chance < 0.92:
                await self.discord.replay(self.random.choice(self.interactions[-5:]))
            else:
                await self._cancel()
        except ConnectionError:
            pass  # the bot was killed at that moment; Discord shows an error

    async def _cancel(self) -> None:
        for asked in reversed(self.interactions[-5:]):
            is_shown = asked.message_id in self.discord.messages
            if is_shown and "Cancel" in [one.get("label") for one in self.discord.buttons(asked.message_id)]:
                user = self.discord.event_of(asked)["member"]["user"]["id"]
                await self.discord.press(asked.message_id, user_id=user)
                return


@dataclass(frozen=True)
class Finding:
    """The result of one run."""

    kills: int
    met_ready: int
    messages: int
    jobs: int
    broken: tuple[str, ...]
    shown_twice: tuple[str, ...]
    orphans: int
    left_open: int
    seconds: float

    @property
    def met(self) -> str:
        """The number of kills and when they happened."""
        return f"{self.kills:,} kills ({self.kills - self.met_ready:,} while starting)"

    @property
    def laws(self) -> str:
        """The number of broken laws, and the first one."""
        first = f", first: {self.broken[0]}" if self.broken else ""
        return f"{len(self.broken)} laws broken{first}"


def add_up(findings: Sequence[Finding]) -> Finding:
    """The sum of several results."""
    sums = {
        each.name: reduce(add, (getattr(finding, each.name) for finding in findings))
        for each in fields(Finding)
    }
    return Finding(**sums)


async def kill_repeatedly(
    folder: Path,
    kills: int,
    *,
    acts_each: int = 8,
    is_on_discord: bool = True,
    seed: int = 1,
    within_s: float = float("inf"),
) -> Finding:
    """Kill a bot so many times or during ``within_s``; then let one finish all work, and check the laws."""
    began_s, random = time.monotonic(), Random(seed)
    async with (
        FakeDiscord() as discord,
        TelegramServer() as telegram,
        open_fork_server(folder / "bots.log") as server,
    ):
        people = SimulatedPeople(
            random,
            discord,
            telegram,
            is_on_discord=is_on_discord,
            number=max(PEOPLE, kills * acts_each // MESSAGES_A_PERSON),
        )
        model = write_model(folder / "models" / "tiny")
        environ = environment(folder, model, discord, telegram)
        if not is_on_discord:
            del environ["DISCORD_TOKEN"]
        met_ready = done = 0
        while done < kills and time.monotonic() - began_s < within_s:
            done += 1
            met_ready += await _run_and_kill(server, environ, people, acts_each)
        pid = await start_bot(server, environ)
        try:
            broken = await _wait_until_done(people, folder)
            shown_twice = _shown_twice(folder, people)
            left_open = await _ask_for_missing_albums(people)
            broken += await _wait_until_done(people, folder)
        finally:
            if is_alive(pid):
                await kill(pid)
        broken += _broken_laws(folder, people)
        jobs = _count(folder, "SELECT count(*) FROM job")
        orphans = _orphans(people)
    if output := (folder / "bots.log").read_text(errors="replace").strip():
        broken.append(f"a bot ended by itself: {output[-300:]!r}")
    seconds = time.monotonic() - began_s
    return Finding(
        done, met_ready, len(people.messages), jobs, tuple(broken), shown_twice, orphans, left_open, seconds
    )


def environment(folder: Path, model: Path, discord: FakeDiscord, telegram: TelegramServer) -> dict[str, str]:
    return {
        "TEST_RENDERER": "fake",
        "SUGARBOT_DATA_DIR": str(folder),
        "SUGARBOT_ENGINE__MODEL": str(model),
        "SUGARBOT_ENGINE__DEVICE": "cpu",
        "DISCORD_TOKEN": discord_server.TOKEN,
        "SUGARBOT_DISCORD__API_BASE": discord.api_base,
        "SUGARBOT_DISCORD__GATEWAY": discord.gateway.url,
        "TELEGRAM_TOKEN": telegram_server.TOKEN,
        "SUGARBOT_TELEGRAM__BASE_URL": telegram.base_url,
        "SUGARBOT_WEB__ENABLED": "false",
        "SUGARBOT_ALLOW": f"discord:{GUILD_ID},telegram:*",
        "SUGARBOT_HOSTS": "discord:1",  # a bot without a host prints how to claim it
        "SUGARBOT_QUOTA__DAILY_CREDITS": "100000",
        "SUGARBOT_QUOTA__MAX_WAITING": "100",
    }


async def start_bot(server: ForkServer, environ: dict[str, str]) -> int:
    """Start a bot; forget earlier starts, as if each were a day later."""
    (Path(environ["SUGARBOT_DATA_DIR"]) / STARTS).unlink(missing_ok=True)
    return await server.start(environ)


async def _run_and_kill(
    server: ForkServer, environ: dict[str, str], people: SimulatedPeople, acts: int
) -> bool:
    """Start a bot and kill it; return whether it had connected to the platforms."""
    random = people.random
    polls, identified = len(people.telegram.named("getUpdates")), len(people.discord.gateway.identified)

    def is_ready() -> bool:
        polled = len(people.telegram.named("getUpdates")) > polls
        return polled and (len(people.discord.gateway.identified) > identified or not people.is_on_discord)

    pid = await start_bot(server, environ)
    try:
        if random.random() < 0.3:
            for _ in range(1 if people.is_on_discord else acts):
                await people.act()
            await asyncio.sleep(random.uniform(0, START_SPAN_S))
        else:
            await until(is_ready, READY_S)
            end_s = time.monotonic() + random.uniform(0, SPAN_S)
            for _ in range(acts):
                await people.act()
                await asyncio.sleep(max(0, random.uniform(0, (end_s - time.monotonic()) / 2)))
            await asyncio.sleep(max(0, end_s - time.monotonic()))
    finally:
        was_ready = is_ready()
        if is_alive(pid):
            await kill(pid)
    return was_ready


async def _wait_until_done(people: SimulatedPeople, folder: Path) -> list[str]:
    """Wait until all work is done; return the problems."""
    try:
        async with asyncio.timeout(ALL_DONE_S):
            while _is_busy(people, folder):  # noqa: ASYNC110 - another process does the work
                await asyncio.sleep(0.1)
    except TimeoutError:
        return ["not everything was done in time"]
    return []


def _is_busy(people: SimulatedPeople, folder: Path) -> bool:
    unsettled = "SELECT count(*) FROM inbox WHERE settled = 0"
    unended = "SELECT count(*) FROM job WHERE ended_ms IS NULL"
    undelivered = "SELECT count(*) FROM outbox WHERE state NOT IN ('sent', 'kept')"
    known = "SELECT count(*) FROM origin WHERE platform = 'telegram'"
    return (
        _count(folder, known) < len(people.messages)
        or _count(folder, unsettled) + _count(folder, unended) + _count(folder, undelivered) > 0
        or any(_is_thinking(people, asked) for asked in people.interactions)
    )


def _is_thinking(people: SimulatedPeople, asked: Interaction) -> bool:
    message = people.discord.messages.get(asked.message_id)
    return message is not None and bool(message["flags"] & LOADING)


async def _ask_for_missing_albums(people: SimulatedPeople) -> int:
    """Send /mine for every person whose album may be missing; return the number of open albums."""
    left_open = [sent for sent in people.telegram.world.messages.values() if "/mine sends them" in sent.text]
    missing = set()
    for sent in left_open:
        job_id = dict(sent.buttons).get("Reroll", "").rpartition(":")[2]
        if not any(job_id in other.file_name for other in people.telegram.world.messages.values()):
            missing.add(sent.chat_id)
    for chat_id in missing:
        for person in [chat_id] if chat_id > 0 else range(11, 11 + people.number):
            people.telegram.world.say("/mine", by=Person(person))
    await people.telegram.wake()
    if missing:
        await asyncio.sleep(2)
    return len(left_open)


def _broken_laws(folder: Path, people: SimulatedPeople) -> list[str]:
    with sqlite3.connect(folder / "sugarbot.db") as database:
        broken = []
        for law, against in LAWS.items():
            if law == DELIVERED:
                against = against.replace("= 'sent'", "IN ('sent', 'kept')")
            if rows := database.execute(against).fetchall():
                broken.append(f"{law}: {len(rows)} times, first {rows[0]}")
        origins = {
            (platform, event): job
            for platform, event, job in database.execute("SELECT platform, event_id, job FROM origin")
        }
    database.close()
    for chat_id, message_id in people.messages:
        if ("telegram", f"{chat_id}:{message_id}") not in origins:
            broken.append(f"lost: telegram message {message_id}")
    for asked in people.interactions:
        broken += _broken_by_interaction(people, asked, origins.get(("discord", asked.interaction_id)))
    shown = _shown(people)
    for job, count in _pictures(folder).items():
        if shown[job] < count:
            broken.append(f"{count} pictures of {job}, of which {shown[job]} are shown")
    for sent in people.telegram.world.messages.values():
        if sent.text.startswith(UNFINISHED) and not _is_orphan(people, sent):
            broken.append(f"never ended: {sent.text[:40]!r}")
    return broken


def _broken_by_interaction(people: SimulatedPeople, asked: Interaction, job: str | None) -> list[str]:
    if not asked.callbacks:
        return [f"charged though never acknowledged: {job}"] if job else []
    if job is None:
        return [f"lost: acknowledged interaction {asked.interaction_id}"]
    text = people.discord.messages[asked.message_id]["text"]
    return [f"never ended: {job}: {text!r}"] if not text or text.startswith(UNFINISHED) else []


def _shown_twice(folder: Path, people: SimulatedPeople) -> tuple[str, ...]:
    """Jobs of which people see more pictures than exist, without a request to see them again."""
    pictures = _pictures(folder)
    return tuple(job for job, shown in _shown(people).items() if shown > pictures[job])


def _pictures(folder: Path) -> Counter[str]:
    database = sqlite3.connect(folder / "sugarbot.db", timeout=5)
    try:
        return Counter(job for (job,) in database.execute("SELECT job FROM picture"))
    finally:
        database.close()


def _shown(people: SimulatedPeople) -> Counter[str]:
    """The number of visible pictures of each job on both platforms."""
    names = [sent.file_name for sent in people.telegram.world.messages.values() if sent.file_name]
    for message in people.discord.messages.values():
        names += [one["filename"] for one in message["attachments"]]
    return Counter(name.split("-")[1] for name in names)


def _orphans(people: SimulatedPeople) -> int:
    """The number of abandoned placeholders: another one belongs to the same message."""
    return sum(_is_orphan(people, sent) for sent in people.telegram.world.messages.values())


def _is_orphan(people: SimulatedPeople, sent: Sent) -> bool:
    same = [
        other
        for other in people.telegram.world.messages.values()
        if (other.chat_id, other.reply_to) == (sent.chat_id, sent.reply_to) and other is not sent
    ]
    return sent.kind == "text" and sent.text.startswith(UNFINISHED) and bool(same)


def _count(folder: Path, query: str) -> int:
    database = sqlite3.connect(folder / "sugarbot.db", timeout=5)
    try:
        [(count,)] = database.execute(query)
    finally:
        database.close()
    return int(count)


def run(folder: Path, kills: int, **options: Any) -> Finding:
    """Run ``kill_repeatedly`` in a new event loop."""
    return asyncio.run(kill_repeatedly(folder, kills, **options))
