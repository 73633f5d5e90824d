"""The four chats, each driven as a person uses it, over its real adapter, the real desk and a fake renderer.

A side says a message and returns what its person then reads. An answer that shows a job is returned when the
job has ended.
"""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import SecretStr
from rich.console import Console

from bot.chats.console import ConsoleChat
from bot.chats.contract import Chat
from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.telegram_ import TelegramChat, TelegramConfig
from bot.chats.web import WebChat
from bot.messages import pictures_coming
from bot.outcomes import Platform
from bot.policy.rules import Rules
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.discord_components import walk
from tests.fakes.discord_payloads import LOADING
from tests.fakes.discord_schema import load
from tests.fakes.discord_server import TOKEN as DISCORD_TOKEN
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import FakeRenderer
from tests.fakes.specs import SPECS
from tests.fakes.telegram_schema import TelegramSchema
from tests.fakes.telegram_server import TOKEN as TELEGRAM_TOKEN
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.integration.web.conftest import CARD

ANSWER_S = 60.0
LOOK_S = 0.1  # between two looks at the whole page, which the bot draws each time
LANGUAGES = {"en": ("en-US", "en"), "zh-CN": ("zh-CN", "zh-hans"), "zh-TW": ("zh-TW", "zh-hant")}
"""Our locale → the code that Discord sends, and the one that Telegram sends."""

RULES = Rules(allow=frozenset({"discord:*", "telegram:*"}), daily_credits=100_000, max_waiting=100)
DISCORD_ID, TELEGRAM_ID = 900_000_000_000_100_000, 10_000  # of the first person
HOST_RULES = replace(RULES, hosts=frozenset({f"discord:{DISCORD_ID}", f"telegram:{TELEGRAM_ID}"}))
"""The first person is a host on each platform; at the terminal, the host of the machine."""


@dataclass(frozen=True)
class Answer:
    """What a person reads after a message or press.

    Attributes:
        pictures: How many pictures the answer brought.
        controls: The commands of its controls, as data of buttons.
    """

    text: str
    pictures: int = 0
    controls: tuple[str, ...] = ()


SomeChat = TypeVar("SomeChat", bound=Chat)


class Side(Protocol):
    """One person in one chat."""

    async def say(self, text: str) -> Answer:
        """Send a message; return its answer."""

    async def press(self, action: str) -> Answer:
        """Press the newest control with this action, such as ``reroll``; return its answer."""


async def settled(read: Callable[[], Answer | None]) -> Answer:
    """Return the answer as soon as there is one that no job will change."""
    async with asyncio.timeout(ANSWER_S):
        while (answer := read()) is None or any(":cancel:" in each for each in answer.controls):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a platform sends no signal
    return answer


class DiscordSide:
    """A person in the private chat with the bot."""

    def __init__(self, server: FakeDiscord, number: int, locale: str) -> None:
        self._server = server
        self._who: dict[str, Any] = {"user_id": str(DISCORD_ID + number), "in_guild": False}
        self._locale = LANGUAGES[locale][0]
        self._message_id = ""
        self._is_known = False

    async def say(self, text: str) -> Answer:
        if not self._is_known:  # the bot learns a person's language from interactions alone
            self._is_known = True
            await self._interact(self._server.slash("help", {}, locale=self._locale, **self._who))
        message_id = await self._server.send_message(text, **self._who)

        def read() -> Answer | None:
            replies = self._server.replies(message_id)
            assert len(replies) <= 1, f"{len(replies)} answers to {text!r}"
            return self._answer(replies[0]) if replies and replies[0]["text"] else None

        return await settled(read)

    async def press(self, action: str) -> Answer:
        [data] = [
            one["custom_id"]
            for one in self._server.buttons(self._message_id)
            if f":{action}:" in one.get("custom_id", "")
        ]
        where = {"locale": self._locale, "user_id": self._who["user_id"], "in_guild": False}
        pressing = self._server.press(self._message_id, data, **where)
        if action == "edit":  # a form with the job's text opens
            form = await self._server.form(await pressing)
            return Answer(" ".join(str(one.get("value", "")) for one in walk(form["components"])))
        return await self._interact(pressing)

    async def _interact(self, asking: Awaitable[Any]) -> Answer:
        asked = await asking

        def read() -> Answer | None:
            shown = [asked.message_id, *asked.followups]
            messages = [self._server.messages[each] for each in shown if each in self._server.messages]
            ready = [one for one in messages if one["text"] and not one["flags"] & LOADING]
            return self._answer(ready[-1]) if ready else None

        return await settled(read)

    def _answer(self, message: dict[str, Any]) -> Answer:
        data = tuple(one.get("custom_id", "") for one in self._server.buttons(message["id"]))
        if any(":reroll:" in each for each in data):
            self._message_id = message["id"]
        return Answer(str(message["text"]), len(message["attachments"]), data)


class TelegramSide:
    """A person in the private chat with the bot."""

    def __init__(self, server: TelegramServer, harness: DeskHarness, number: int, locale: str) -> None:
        self._server = server
        self._harness = harness
        self._person = Person(TELEGRAM_ID + number, "Member", LANGUAGES[locale][1])
        self._locale = locale
        self._pictures: Sent | None = None

    async def say(self, text: str) -> Answer:
        before = self._newest_id()
        self._server.world.say(text, by=self._person)
        return await self._answer(before)

    async def press(self, action: str) -> Answer:
        assert self._pictures is not None
        [label] = [label for label, data in self._pictures.buttons if f":{action}:" in data]
        before = self._newest_id()
        self._server.world.press(self._pictures, label, by=self._person)
        return await self._answer(before)

    async def _answer(self, before: int) -> Answer:
        """Return the messages after this one, when the bot has finished the event."""
        await self._server.wake()
        answer = await settled(lambda: self._after(before))
        async with asyncio.timeout(ANSWER_S):
            while await self._is_unfinished():  # noqa: ASYNC110 - nor does the desk
                await asyncio.sleep(0.01)
        answer = await settled(lambda: self._after(before))
        with_controls = [sent for sent in self._new(before) if ":reroll:" in str(sent.buttons)]
        self._pictures = with_controls[-1] if with_controls else self._pictures
        return answer

    async def _is_unfinished(self) -> bool:
        events = await self._harness.desk.pending_events(Platform.TELEGRAM)
        return any(f'"id": {self._person.id},' in event for _, event in events)

    def _newest_id(self) -> int:
        return max((sent.message_id for sent in self._server.world.in_chat(self._person.id)), default=0)

    def _new(self, message_id: int) -> list[Sent]:
        return [sent for sent in self._server.world.in_chat(self._person.id) if sent.message_id > message_id]

    def _after(self, message_id: int) -> Answer | None:
        """The messages that came after this one, as one answer; None while a picture or controls lack."""
        new = self._new(message_id)
        if not new or (new[-1].album and not any(sent.buttons for sent in new)):
            return None
        if any(sent.text == pictures_coming(self._locale) for sent in new):
            return None
        data = tuple(data for sent in new for _, data in sent.buttons)
        texts = "\n".join(sent.text for sent in new if sent.text)
        return Answer(texts, sum(bool(sent.file) for sent in new), data)


class WebSide:
    """A visitor of the local page, who reads what the page shows after a reload."""

    def __init__(self, url: str, locale: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=ANSWER_S)
        self._locale = locale
        self._press: dict[str, str] = {}

    async def open(self) -> None:
        await self._client.get("/")
        (await self._client.post("/language", json={"locale": self._locale})).raise_for_status()

    async def close(self) -> None:
        await self._client.aclose()

    async def say(self, text: str) -> Answer:
        return await self._do("/say", {"text": text})

    async def press(self, action: str) -> Answer:
        return await self._do("/press", {"press": self._press[action]})

    async def _do(self, path: str, body: dict[str, str]) -> Answer:
        before = len(await self._messages())
        (await self._client.post(path, json=body)).raise_for_status()
        async with asyncio.timeout(ANSWER_S):
            while True:
                new = [answer for answer in (await self._messages())[before:] if answer is not None]
                if new and not any(":cancel:" in each for each in new[-1].controls):
                    break
                await asyncio.sleep(LOOK_S)
        answer = new[-1]
        if any(":reroll:" in each for each in answer.controls):
            self._press = {data.split(":")[1]: data for data in answer.controls}
        return answer

    async def _messages(self) -> list[Answer | None]:
        """Every bubble of the page; None for the person's own."""
        page = (await self._client.get("/")).text
        found: list[Answer | None] = []
        for by, content in re.findall(r'<article class="message (\w*)"(.*?)</article>', page, re.DOTALL):
            texts = re.findall(r'<p class="text"[^>]*>(.*?)</p>', content, re.DOTALL)
            texts += re.findall(r'<button type="button" class="example">(.*?)</button>', content, re.DOTALL)
            data = tuple(re.findall(r'data-press="([^"]*)"', content))
            text = unescape("\n".join(texts))
            found.append(None if by == "person" else Answer(text, content.count("<img "), data))
        return found


class ConsoleSide:
    """A person at the terminal, who has no controls to press."""

    def __init__(
        self, chat: ConsoleChat, answers: io.StringIO, refusals: io.StringIO, *, is_host: bool
    ) -> None:
        self._chat, self._answers, self._refusals, self._is_host = chat, answers, refusals, is_host

    async def say(self, text: str) -> Answer:
        for stream in (self._answers, self._refusals):
            stream.seek(0)
            stream.truncate()
        answer = await self._chat.say(text, user_name="a member", is_host=self._is_host)
        return Answer(self._answers.getvalue() + self._refusals.getvalue(), len(answer.paths))

    async def press(self, action: str) -> Answer:
        raise NotImplementedError


@asynccontextmanager
async def discord_sides(
    folder: Path, locales: Sequence[str], rules: Rules = RULES
) -> AsyncIterator[list[Side]]:
    """People on Discord, one for each locale; in the end every request was valid."""
    schema = load(SPECS / "discord" / "openapi.json") if SPECS.is_dir() else None
    async with FakeDiscord(schema) as server:
        server.acknowledge_s = ANSWER_S
        config = DiscordConfig(
            token=SecretStr(DISCORD_TOKEN),
            menu_file=folder / "menu",
            identifies_file=folder / "starts",
            api_base=server.api_base,
            gateway=server.gateway.url,
            edit_interval_s=0.05,
        )
        async with _serving(folder, lambda harness: DiscordChat(config, harness.desk), rules):
            yield [DiscordSide(server, number, locale) for number, locale in enumerate(locales)]
        assert not server.problems


@asynccontextmanager
async def telegram_sides(
    folder: Path, locales: Sequence[str], rules: Rules = RULES
) -> AsyncIterator[list[Side]]:
    """People on Telegram, one for each locale; in the end every request was valid."""
    schema = TelegramSchema(SPECS / "telegram" / "api.json") if SPECS.is_dir() else None
    async with TelegramServer(schema) as server:
        config = TelegramConfig(TELEGRAM_TOKEN, server.base_url, server.base_url)
        async with _serving(folder, lambda harness: TelegramChat(config, harness.desk), rules) as (
            harness,
            _,
        ):
            yield [TelegramSide(server, harness, number, locale) for number, locale in enumerate(locales)]
        assert server.problems == []


@asynccontextmanager
async def web_sides(folder: Path, locales: Sequence[str], rules: Rules = RULES) -> AsyncIterator[list[Side]]:
    """Visitors of the page, one for each locale."""

    def create(harness: DeskHarness) -> WebChat:
        return WebChat(harness.desk, card=lambda: CARD, host="127.0.0.1", port=0)

    async with _serving(folder, create, rules) as (_, chat), AsyncExitStack() as stack:
        sides = [WebSide(chat.url, locale) for locale in locales]
        for side in sides:
            await side.open()
            stack.push_async_callback(side.close)
        yield list(sides)


@asynccontextmanager
async def console_sides(
    folder: Path, locales: Sequence[str], rules: Rules = RULES
) -> AsyncIterator[list[Side]]:
    """People at a terminal, each with a bot of their own, as ``sugarbot say`` starts one."""
    async with AsyncExitStack() as stack:
        sides: list[Side] = []
        for number, locale in enumerate(locales):
            answers, refusals = io.StringIO(), io.StringIO()
            console = Console(file=refusals, width=500)

            def create(
                harness: DeskHarness,
                number: int = number,
                locale: str = locale,
                answers: io.StringIO = answers,
                console: Console = console,
            ) -> ConsoleChat:
                out_dir = folder / f"out-{number}"
                return ConsoleChat(
                    harness.desk, out_dir=out_dir, locale=locale, answers=answers, console=console
                )

            (folder / str(number)).mkdir()
            _, chat = await stack.enter_async_context(_serving(folder / str(number), create, rules))
            sides.append(ConsoleSide(chat, answers, refusals, is_host=bool(rules.hosts)))
        yield sides


@asynccontextmanager
async def _serving(
    folder: Path, create: Callable[[DeskHarness], SomeChat], rules: Rules
) -> AsyncIterator[tuple[DeskHarness, SomeChat]]:
    """Run a desk with one chat while the block runs."""
    async with open_harness(folder, rules=rules, renderer=FakeRenderer()) as harness:
        chat = harness.chat = create(harness)
        try:
            await chat.open()
            async with harness.running():
                serving = asyncio.create_task(chat.serve(), name="chat serves")
                try:
                    yield harness, chat
                finally:
                    serving.cancel()
                    await asyncio.gather(serving, return_exceptions=True)
        finally:
            await chat.close()


SIDES = {
    "discord": discord_sides,
    "telegram": telegram_sides,
    "web": web_sides,
    "console": console_sides,
}
