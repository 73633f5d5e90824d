"""Everything that people do on Discord, everywhere, in both languages: one answer, or ignored by a rule.

The real desk and database behind a card that draws at once. What must happen is read from the product's table
of kinds, and every kind of the table is met.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.chats.discord_ import DiscordConfig
from bot.chats.discord_.incoming.event_kinds import (
    EVENT_RULES,
    EventKind,
    kind_of_interaction,
    kind_of_message,
)
from bot.policy.rules import Rules
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import (
    AT_ME,
    BOT_ID,
    CHANNEL_ID,
    GUILD_ID,
    LOADING,
    MEMBER_ID,
    TIMESTAMP,
    user,
)
from tests.fakes.discord_rest import SHOW_FORM, Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import FakeRenderer
from tests.integration.discord.test_end_to_end import running_bot

HOST_ID, STRANGER_ID = "900000000000000040", "900000000000000050"
PEOPLE = (MEMBER_ID, HOST_ID, STRANGER_ID)  # the stranger is answered only in the server
LOCALES = ("en-US", "zh-CN")
IN_SERVER = {"in_guild": True}
DIRECTLY = {"in_guild": False}
ELSEWHERE = {"in_guild": False, "is_own_install": True, "may_post": False}
SMALL = {"size": "512x512"}
ALLOWED = Rules(
    hosts=frozenset({f"discord:{HOST_ID}"}),
    allow=frozenset({f"discord:{GUILD_ID}", f"discord:{MEMBER_ID}", f"discord:{int(MEMBER_ID) + 5_000}"}),
    daily_credits=100_000,
    max_waiting=1_000,
)

SLASHES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sugar", {"prompt": "a face", **SMALL}),
    ("sugar", {"prompt": "清透水光肌", "private": True, **SMALL}),
    ("sugar", {}),
    ("sugar", {"prompt": "x" * 5_000}),
    ("sugar", {"prompt": "a face", "lora": "nobody"}),
    ("mine", {}),
    ("quota", {}),
    ("loras", {}),
    ("lora list", {}),
    ("lora switch", {"name": "none"}),
    ("cancel", {}),
    ("cancel", {"job": "#nothing"}),
    ("link", {}),
    ("link", {"code": "AAAA-AAAA"}),
    ("unlink", {}),
    ("help", {}),
    ("paint", {"prompt": "a face"}),
)
TYPED = (
    ("sugar", "lora", "su"),
    ("sugar", "lips", "正红"),
    ("sugar", "size", "\u202e…"),
    ("sugar", "nothing", ""),
)
MESSAGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("a face --size 512x512", {}),
    ("清透水光肌 --size 512x512", {"type": 19}),
    ("/sugar a face --size 512x512", {}),
    ("/quota", {}),
    ("/mine", {}),
    ("/link", {}),
    ("/cancel", {}),
    ("/lora switch none", {}),
    ("帮助", {}),
    ("/sugr a face", {}),
    ("a face --private --size 512x512", {}),
    ("", {}),
    ("@everyone \ud800 **a face** --size 512x512", {}),
    ("", {"attachments": [{"filename": "photo.png"}]}),
    ("draw this", {"attachments": [{"filename": "voice-message.ogg"}], "flags": 1 << 13}),
    ("", {"attachments": [{"filename": "Face.safetensors"}]}),
    ("", {"sticker_items": [{"id": "1", "name": "wave", "format_type": 1}]}),
    ("", {"poll": {"question": {"text": "which?"}}}),
    ("", {"message_snapshots": [{"message": {"content": "a face"}}]}),
    ("a face", {"author": user("7", bot=True)}),
    ("a face", {"webhook_id": "7"}),
    ("", {"type": 7}),
)


@dataclass
class Crowd:
    """What people did, and how the bot answered."""

    discord: FakeDiscord
    asked: list[tuple[EventKind, Interaction]] = field(default_factory=list)
    said: list[tuple[EventKind, str]] = field(default_factory=list)
    suggested: int = 0
    odd: list[EventKind] = field(default_factory=list)

    async def slash(self, name: str, options: dict[str, Any], **where: Any) -> None:
        self._note(await self.discord.slash(name, options, **where))

    async def context_menu(self, **where: Any) -> None:
        for name in ("Remix", "Picture info", "Use as variation", "Paint"):
            self._note(await self.discord.context_menu(name, **where))

    async def press(self, message_id: str, custom_id: str, **where: Any) -> None:
        self._note(await self.discord.press(message_id, custom_id, **where))

    async def form(self, **where: Any) -> None:
        self._note(await self.discord.submit("v1:c:k3f9", **where))

    async def type(self, name: str, option: str, typed: str, **where: Any) -> None:
        assert len(await self.discord.suggest(name, option, typed, **where)) <= 25
        self.suggested += 1

    async def say(self, text: str, **changed: Any) -> None:
        message_id = await self.discord.send_message(text, **changed)
        self.said.append((kind_of_message(self.discord.person_messages[message_id], int(BOT_ID)), message_id))

    def _note(self, asked: Interaction) -> None:
        self.asked.append((kind_of_interaction(self.discord.event_of(asked)), asked))

    def unanswered(self) -> list[str]:
        """Events that need one answer but have none or several."""
        wrong = [
            f"{kind}: {count} answers to {self.discord.event_of(asked)['data']}"
            for kind, asked in self.asked
            if (count := self._answers(asked)) != int(EVENT_RULES[kind].is_answered)
        ]
        return wrong + [
            f"{kind}: {len(replies)} answers to {self.discord.person_messages[message_id]['content']!r}"
            for kind, message_id in self.said
            if len(replies := self.discord.replies(message_id)) != int(EVENT_RULES[kind].is_answered)
            or any(not reply["text"] for reply in replies)
        ]

    def unasked(self) -> list[str]:
        """Messages of the bot that answer nothing."""
        answers = {asked.message_id for asked in self.discord.interactions.values()}
        answers |= {followup for asked in self.discord.interactions.values() for followup in asked.followups}
        return [
            message["text"]
            for message in self.discord.messages.values()
            if message["id"] not in answers and not message.get("reply_to")
        ]

    def _answers(self, asked: Interaction) -> int:
        shown = self.discord.messages.get(asked.message_id)
        is_shown = shown is not None and bool(shown["text"]) and not shown["flags"] & LOADING
        is_press = bool(asked.callbacks) and asked.callbacks[0]["type"] == 6
        is_own = is_shown and not (is_press and asked.followups)  # a refused press changes no message
        is_form = bool(asked.callbacks) and asked.callbacks[0]["type"] == SHOW_FORM
        return int(is_own) + len(asked.followups) + int(is_form)


def at(text: str, place: dict[str, Any]) -> str:
    return f"{AT_ME} {text}" if place is IN_SERVER else text


async def everything(crowd: Crowd, person: str, locale: str, place: dict[str, Any]) -> None:
    """Do everything that one person can do in one place."""
    channel_id = CHANNEL_ID if place is IN_SERVER else str(int(person) + 5_000)
    where = {**place, "user_id": person, "locale": locale, "channel_id": channel_id}
    for name, options in SLASHES:
        await crowd.slash(name, options, **where)
    for name, option, typed in TYPED:
        await crowd.type(name, option, typed, **where)
    await crowd.form(**where)
    await crowd.context_menu(**where)
    if place is ELSEWHERE:
        return
    if place is IN_SERVER:
        await crowd.say("a face", user_id=person)
        await crowd.say("@everyone a face", user_id=person, mention_everyone=True)
    for text, changed in MESSAGES:
        await crowd.say(at(text, place), user_id=person, in_guild=place["in_guild"], **changed)


async def pressed(crowd: Crowd, drawn: Interaction, person: str, locale: str) -> None:
    """Press present, former and impossible buttons on a message of the member."""
    where = {"user_id": person, "locale": locale}
    job_id = crowd.discord.buttons(drawn.message_id)[0]["custom_id"].rpartition(":")[2]
    for custom_id in (
        f"v1:c:{job_id}",
        f"v1:r:{job_id}",
        f"v2:edit:{job_id}",
        "v1:r:nothing",
        "v9:x:what",
        "",
        "\ud800",
        "v1:c:" + "j" * 90,
    ):
        await crowd.press(drawn.message_id, custom_id or " ", **where)


async def what_means_nothing(crowd: Crowd) -> None:
    """Send events that the bot ignores; none of them may cause a request."""
    discord = crowd.discord
    _, answered = next(one for one in crowd.asked if one[0] is EventKind.SLASH)
    _, message_id = crowd.said[0]
    edited = {**discord.person_messages[message_id], "content": "another face", "edited_timestamp": TIMESTAMP}
    requests = len(discord.requests)
    await discord.replay(answered)
    await discord.gateway.dispatch("MESSAGE_CREATE", discord.person_messages[message_id])
    await discord.gateway.dispatch("MESSAGE_UPDATE", edited)
    await discord.gateway.dispatch("MESSAGE_DELETE", {"id": message_id, "channel_id": edited["channel_id"]})
    for junk in ({}, {"id": "5", "type": 77, "token": "t"}, [], None, {"id": "6", "author": {}}):
        await discord.gateway.dispatch("INTERACTION_CREATE", junk)
        await discord.gateway.dispatch("MESSAGE_CREATE", junk)
    await discord.gateway.dispatch("SOMETHING_NEW", {"id": "7"})
    crowd.odd += [EventKind.REPEATED] * 2 + [EventKind.EDITED] * 2 + [EventKind.MALFORMED] * 11
    await crowd.slash("help", {})
    await until(lambda: not crowd.unanswered())
    assert len(discord.requests) == requests + 2  # both for the last event
    discord.faults.append(Fault("POST", "/callback", 404, code=10062))
    late = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: not discord.faults[-1].times)
    assert not late.callbacks
    crowd.odd.append(EventKind.TOO_LATE)


async def settled(crowd: Crowd) -> None:
    """Wait until everything is answered and drawn and no request follows, or for 60 s."""
    discord, requests = crowd.discord, 0
    with contextlib.suppress(TimeoutError):  # the caller's assertions then name what is missing
        async with asyncio.timeout(60):
            while requests != len(discord.requests) or _waiting(discord) or crowd.unanswered():
                requests = len(discord.requests)
                await asyncio.sleep(0.25)


def _waiting(discord: FakeDiscord) -> list[str]:
    """Messages with a button to cancel."""
    return [key for key, one in discord.messages.items() if "v2:cancel:" in str(one["components"])]


async def test_every_event_gets_one_answer_or_is_ignored_by_its_rule(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer(), ALLOWED):
        crowd = Crowd(discord)
        drawn = await discord.slash("sugar", {"prompt": "a face", **SMALL})
        await until(lambda: drawn.message_id and discord.answer_to(drawn)["attachments"])
        visits: list[Awaitable[None]] = []
        for person in PEOPLE:
            for locale in LOCALES:
                visits += [
                    everything(crowd, person, locale, place) for place in (IN_SERVER, DIRECTLY, ELSEWHERE)
                ]
                visits.append(pressed(crowd, drawn, person, locale))
        await asyncio.gather(*visits)
        await settled(crowd)
        assert crowd.unanswered() == []
        await what_means_nothing(crowd)
        assert crowd.unanswered() == []
        assert crowd.unasked() == []
    met = Counter([kind for kind, _ in (*crowd.asked, *crowd.said)] + crowd.odd)
    met[EventKind.TYPING] = crowd.suggested
    assert set(met) == set(EventKind)
    assert met.total() >= 450
    assert not discord.problems
