"""Every kind of update: each message and press gets one answer, or the table says why the bot ignores it.

The cases are made from the table: every content of a message and every update kind, in private and in a
group, in both languages, by a member, a host, a stranger (whose chat is not served) and an anonymous
administrator. They go through the real adapter and the real desk to a fake Telegram, which checks every
request against the vendor's schema. Each case has a person and a group of its own.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.chats.telegram_.incoming.event_kinds import CONTENTS, REQUESTED, RULES, UPDATES, UpdateKind
from bot.outcomes import Platform
from bot.policy.rules import Rules
from tests.fakes.desk_harness import DeskHarness
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import serve_bot

NAME = "@sugar_test_bot"
LANGUAGES = ("en", "zh-hans")
LEAST_CASES = 250
DRAWN = 8  # pictures whose buttons are pressed
FILE = {"file_id": "x", "file_unique_id": "x"}
PHOTO = [FILE | {"width": 9, "height": 9}]
HELD: dict[str, Any] = {
    "photo": PHOTO,
    "animation": FILE | {"width": 9, "height": 9, "duration": 1},
    "audio": FILE | {"duration": 1},
    "document": FILE | {"file_name": "notes.txt"},
    "sticker": FILE | {"type": "regular", "width": 9, "height": 9, "is_animated": False, "is_video": False},
    "video": FILE | {"width": 9, "height": 9, "duration": 1},
    "video_note": FILE | {"length": 9, "duration": 1},
    "voice": FILE | {"duration": 1},
    "contact": {"phone_number": "1", "first_name": "Member"},
    "dice": {"emoji": "🎲", "value": 3},
    "location": {"longitude": 1.5, "latitude": 2.5},
    "venue": {"location": {"longitude": 1.5, "latitude": 2.5}, "title": "A", "address": "B"},
    "new_chat_title": "Another title",
}
TEXTS: dict[str, UpdateKind] = {
    "/sugar a fox": UpdateKind.TEXT,
    "/sugar 一只狐狸，张数 2": UpdateKind.TEXT,
    "/sugar a fox --size 9:1 --seed abc": UpdateKind.TEXT,
    "/sugar a fox --lora nobody": UpdateKind.TEXT,
    "/help": UpdateKind.TEXT,
    "/start private": UpdateKind.TEXT,
    "/mine": UpdateKind.TEXT,
    "/quota": UpdateKind.TEXT,
    "/loras": UpdateKind.TEXT,
    "/lora_switch none": UpdateKind.TEXT,
    "/cancel": UpdateKind.TEXT,
    "/cancel nothing": UpdateKind.TEXT,
    "/link": UpdateKind.TEXT,
    "/unlink": UpdateKind.TEXT,
    "/sugar": UpdateKind.NAME_ALONE,
    NAME: UpdateKind.NAME_ALONE,
    f"/sugr{NAME} a fox": UpdateKind.UNKNOWN_COMMAND,
    "/sugar@another_bot a fox": UpdateKind.OTHER_BOT,
    "/sugar " + "x" * 65_536: UpdateKind.TEXT,
}
IN_PRIVATE = TEXTS | {
    "a fox": UpdateKind.TEXT,
    "/roll 20": UpdateKind.UNKNOWN_COMMAND,
    "": UpdateKind.NAME_ALONE,
}
IN_GROUP = TEXTS | {
    "a fox": UpdateKind.GROUP_TALK,
    "/roll 20": UpdateKind.GROUP_TALK,
    f"fox {NAME}": UpdateKind.TEXT,
}


@dataclass
class Case:
    """One update: who caused it and where, and its kind in the table."""

    kind: UpdateKind
    what: str
    chat_id: int
    reply_to: int | None
    press: str = ""


@dataclass
class Script:
    """Makes the cases; the settings must contain ``served`` and ``hosts``."""

    world: World
    cases: list[Case] = field(default_factory=list)
    served: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    next_id: int = 10_000

    def person(self, role: str, language: str) -> tuple[Person, Group]:
        self.next_id += 1
        person, group = Person(self.next_id, role, language), Group(-100_000_000 - self.next_id)
        if role == "host":
            self.hosts.add(f"telegram:{person.id}")
        elif role != "stranger":
            self.served |= {f"telegram:{person.id}", f"telegram:{group.id}"}
        return person, group

    def says(
        self, kind: UpdateKind, text: str, *, role: str, language: str, in_group: bool, **how: Any
    ) -> None:
        person, group = self.person(role, language)
        message_id = self.world.say(text, by=person, group=group if in_group else None, **how)
        chat_id = group.id if in_group else person.id
        self.cases.append(Case(kind, f"{role} {language} {text[:40]!r} {list(how)}", chat_id, message_id))

    def presses(self, kind: UpdateKind, sent: Sent, label: str, person: Person) -> None:
        query_id = self.world.press(sent, label, by=person)
        case = Case(kind, f"{label} by {person.name}", sent.chat_id, sent.message_id, query_id)
        self.cases.append(case)


def messages(script: Script) -> None:
    """Make cases of texts and of every other content."""
    contents = {name: HELD.get(name) for name, kind in CONTENTS.items() if kind is UpdateKind.NO_TEXT}
    for language in LANGUAGES:
        for role in ("member", "host", "stranger"):
            how: dict[str, Any] = {"role": role, "language": language}
            for text, kind in IN_PRIVATE.items():
                script.says(kind, text, in_group=False, **how)
            for text, kind in IN_GROUP.items():
                script.says(kind, text, in_group=True, **how)
            script.says(UpdateKind.EDITED, "a fox", in_group=False, edited=True, **how)
            script.says(UpdateKind.EDITED_ELSEWHERE, f"a fox {NAME}", in_group=True, edited=True, **how)
            lora = FILE | {"file_name": "sugar.safetensors"}
            script.says(UpdateKind.LORA_FILE, "", in_group=False, content={"document": lora}, **how)
            png = FILE | {"file_name": "a.png"}
            script.says(UpdateKind.PICTURE_FILE, "", in_group=False, content={"document": png}, **how)
            script.says(UpdateKind.PICTURE_FILE, "/info", in_group=True, content={"document": png}, **how)
            script.says(UpdateKind.NO_TEXT, "/sugar a fox", in_group=True, content={"photo": PHOTO}, **how)
            script.says(UpdateKind.GROUP_TALK, "a fox", in_group=True, content={"photo": PHOTO}, **how)
        how = {"role": "member", "language": language}
        for name, content in contents.items():
            script.says(UpdateKind.NO_TEXT, "", in_group=False, content={name: content}, **how)
            script.says(UpdateKind.GROUP_TALK, "", in_group=True, content={name: content}, **how)
        for text in ("/sugar a fox", f"a fox {NAME}"):
            script.says(UpdateKind.ANONYMOUS, text, in_group=True, as_chat=True, **how)
        script.says(UpdateKind.GROUP_TALK, "a fox", in_group=True, as_chat=True, **how)
        answered = Sent(1, 1, "text", "Got it!")
        script.says(UpdateKind.TEXT, "now a hare", in_group=True, reply_to=answered, **how)
        script.says(UpdateKind.NO_TEXT, "", in_group=True, reply_to=answered, content={"photo": PHOTO}, **how)
        origin = {"type": "hidden_user", "sender_user_name": "Somebody", "date": 1}
        script.says(UpdateKind.FORWARDED, "a fox", in_group=False, forward_origin=origin, **how)
        script.says(
            UpdateKind.MACHINE, f"a fox {NAME}", in_group=True, as_chat=True, is_automatic_forward=True, **how
        )
        script.says(
            UpdateKind.EDITED_ELSEWHERE,
            "",
            in_group=False,
            edited=True,
            content={"location": HELD["location"]},
            **how,
        )
        for name in (name for name, kind in CONTENTS.items() if kind is UpdateKind.SERVICE):
            script.says(UpdateKind.SERVICE, "", in_group=True, content={name: HELD.get(name)}, **how)


def odd_updates(script: Script) -> None:
    """Make cases of other update kinds, albums and the bot's membership."""
    for name in UPDATES.keys() - set(REQUESTED):
        script.world.push({name: {"id": "1"} if name != "channel_post" else None})
        script.cases.append(Case(UPDATES[name], name, 0, 0))
    script.world.push({"a_kind_of_next_year": {"x": 1}})
    script.cases.append(Case(UpdateKind.UNKNOWN, "a kind of next year", 0, 0))
    for language in LANGUAGES:
        for role in ("member", "host", "stranger"):
            person, _ = script.person(role, language)
            query_id = script.world.ask_inline("fox", by=person)
            script.cases.append(Case(UpdateKind.INLINE, f"inline by {role} {language}", 0, 0, query_id))
            person, group = script.person(role, language)
            script.world.add_to(group, by=person)
            script.cases.append(Case(UpdateKind.ADDED, f"added by {role} {language}", group.id, None))
        person, group = script.person("member", language)
        script.world.add_to(group, by=person, status="kicked", was="member")
        script.cases.append(Case(UpdateKind.MEMBERSHIP, f"removed {language}", group.id, None))
        person, group = script.person("member", language)
        script.world.migrate(group.id + 90_000_000, group.id)
        script.cases.append(Case(UpdateKind.MIGRATED, f"migrated {language}", group.id, None))
        person, _ = script.person("member", language)
        for number in range(3):
            message_id = script.world.say(
                "", by=person, content={"photo": PHOTO}, media_group_id=f"a {language}"
            )
            kind = UpdateKind.ALBUM_ITEM if number else UpdateKind.NO_TEXT
            script.cases.append(Case(kind, f"album item {number}", person.id, message_id))


def presses(script: Script, drawn: list[Sent]) -> None:
    """Make presses of every button: by its person, by another, of another version, and forged."""
    for number, shown in enumerate(drawn):
        owner = Person(shown.chat_id, "owner", LANGUAGES[number % 2])
        other = Person(7, "another", LANGUAGES[number % 2])
        original = next(label for label, data in shown.buttons if data.startswith("v2:original:"))
        script.presses(UpdateKind.PRESS, shown, original, owner)
        data = {label: data.replace("v2:reroll:", "v2:cancel:") for label, data in shown.buttons}
        group = Group(-100_000_000 - shown.chat_id)
        script.presses(
            UpdateKind.REFUSED_PRESS,
            Sent(group.id, 4, "text", "", (("C", next(iter(data.values()))),)),
            "C",
            other,
        )
        script.presses(
            UpdateKind.REFUSED_PRESS, Sent(group.id, 5, "text", "", (("R", shown.buttons[0][1]),)), "R", other
        )
        script.presses(
            UpdateKind.REFUSED_PRESS, Sent(group.id, 6, "text", "", (("Old", "v0:x"),)), "Old", owner
        )
        script.presses(
            UpdateKind.REFUSED_PRESS, Sent(group.id, 7, "text", "", (("No", "v1:o:nothing"),)), "No", owner
        )


def answers(case: Case, world: World, known: set[tuple[int, int]]) -> int:
    """Count the answers of a case; an album counts with the message that has its buttons."""
    shown = [
        sent
        for key, sent in world.messages.items()
        if key not in known and sent.chat_id == case.chat_id and sent.reply_to == case.reply_to
    ]
    singles = [sent for sent in shown if not sent.album]
    is_marked = (case.chat_id, case.reply_to) in world.reactions  # the picture follows
    is_inline = case.press in world.inline_answers
    return (
        (len(singles) or is_marked) + is_inline + (case.press in world.alerts) + (case.press in world.toasts)
    )


async def settled(server: TelegramServer, harness: DeskHarness, count: Callable[[], int]) -> None:
    """Wait until Telegram has no more updates and every stored one is finished."""
    await server.until(lambda: len(server.world.forgotten) >= count(), timeout_s=60.0)
    for _ in range(3_000):
        if not await harness.desk.pending_events(Platform.TELEGRAM):
            return
        await asyncio.sleep(0.02)
    left = await harness.desk.pending_events(Platform.TELEGRAM)
    raise AssertionError(f"not settled: {left[:3]}")


async def test_every_message_and_press_has_one_answer_or_a_rule_that_ignores_it(
    server: TelegramServer, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.telegram_.rate_limiter.MESSAGES_PER_SECOND", 10_000)
    monkeypatch.setattr("bot.chats.telegram_.incoming.inline.ANSWER_TIMEOUT_S", 60.0)  # all come at once
    script = Script(world)
    messages(script)
    odd_updates(script)
    rules = Rules(frozenset(script.hosts), frozenset(script.served), daily_credits=100, max_waiting=100)
    async with serve_bot(server, tmp_path, FakeRenderer(), rules=rules) as harness:
        await settled(server, harness, lambda: len(script.cases) - 1)
        inline = {case.press for case in script.cases if case.kind is UpdateKind.INLINE}
        await server.until(lambda: inline <= set(world.inline_answers))  # not stored, so not settled
        assert _wrong(script.cases, world, set()) == []
        message_cases = len(script.cases)

        await server.until(lambda: len(_drawn(world)) >= DRAWN, timeout_s=60.0)
        known = set(world.messages)
        presses(script, _drawn(world)[:DRAWN])
        await settled(server, harness, lambda: len(script.cases) - 1)
        assert _wrong(script.cases[message_cases:], world, known) == []
    assert len(script.cases) >= LEAST_CASES
    missing = set(RULES) - {case.kind for case in script.cases}
    assert missing == set(), "no case tests these rules"
    print(f"{len(script.cases)} cases, {sum(RULES[case.kind].is_answered for case in script.cases)} answered")
    print(f"{len(server.calls)} requests, {len(server.problems)} against the schema")


def _drawn(world: World) -> list[Sent]:
    """List the single pictures in private chats, with their buttons."""
    return [
        sent for sent in world.messages.values() if sent.chat_id > 0 and sent.kind == "photo" and sent.buttons
    ]


def _wrong(cases: list[Case], world: World, known: set[tuple[int, int]]) -> list[tuple[str, str, int]]:
    found = [(case, answers(case, world, known)) for case in cases]
    return [
        (case.kind.name, case.what, got)
        for case, got in found
        if got != (1 if RULES[case.kind].is_answered else 0)
    ]
