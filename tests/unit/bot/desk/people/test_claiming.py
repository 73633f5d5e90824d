"""The first host claims a closed bot with a code, once, unseen by others, and nobody guesses it."""

import hashlib
import json
import stat
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import pytest

from bot.commands.grammar import parse
from bot.commands.reading import CODE_DIGITS
from bot.commands.values import ClaimBot, Help, LoraReload
from bot.desk.people.claim_file import CLAIM_FILE, CODE_CHARS, LASTS_MS, issue_claim, read_claim
from bot.desk.people.claiming import LIMITS
from bot.errors import (
    BadClaimCode,
    BotUnclaimed,
    CannotSave,
    ChatNotAllowed,
    ClaimCodeVoid,
    ClaimedElsewhere,
    PersonError,
    TooManyCodes,
)
from bot.messages import LOCALES, format_error, format_outcome
from bot.outcomes import CommandContext, HostClaimed, Platform
from bot.policy.rules import Rules
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness

CLOSED = Rules()


class Events:
    count = 0


def private(user_id: str = "7", platform: Platform = Platform.TELEGRAM) -> CommandContext:
    Events.count += 1
    return a_context(f"claim {Events.count}", user_id, platform=platform, chat_id=user_id)


def group() -> CommandContext:
    return replace(private(), address=replace(private().address, chat_id="-100"), is_group=True)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    async with open_harness(tmp_path, rules=CLOSED) as opened:
        yield opened


def folder_of(harness: DeskHarness) -> Path:
    return harness.desk.parts.claiming._data_dir


def issue(harness: DeskHarness) -> str:
    return issue_claim(folder_of(harness), harness.clock(), SystemRandom())


async def refusal(harness: DeskHarness, command: ClaimBot, context: CommandContext) -> type[PersonError]:
    with pytest.raises(PersonError) as caught:
        await harness.desk.handle(command, context)
    for locale in LOCALES:
        assert format_error(caught.value, locale)
    return type(caught.value)


@pytest.mark.parametrize("platform", [Platform.TELEGRAM, Platform.DISCORD])
async def test_the_owner_becomes_host_of_a_closed_bot(harness: DeskHarness, platform: Platform) -> None:
    code = issue(harness)
    with pytest.raises(BotUnclaimed):
        await harness.desk.handle(Help(), private("7", platform))
    claimed = await harness.desk.handle(parse(f"/claim {code.lower()}"), private("7", platform))
    assert claimed == HostClaimed(was_host=False)
    await harness.desk.handle(LoraReload(), private("7", platform))
    with pytest.raises(ChatNotAllowed) as caught:  # strangers are refused as before
        await harness.desk.handle(Help(), private("8", platform))
    assert not isinstance(caught.value, BotUnclaimed)


async def test_the_claim_survives_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=CLOSED) as harness:
        await harness.desk.handle(ClaimBot(issue(harness)), private())
    async with open_harness(tmp_path, rules=CLOSED) as harness:
        await harness.desk.parts.permissions.load()
        await harness.desk.handle(LoraReload(), private())


async def test_a_code_works_once_even_if_a_crash_left_its_file(harness: DeskHarness) -> None:
    code = issue(harness)
    file = folder_of(harness) / CLAIM_FILE
    content = file.read_bytes()
    await harness.desk.handle(ClaimBot(code), private("7"))
    assert not file.exists()
    file.write_bytes(content)
    assert await refusal(harness, ClaimBot(code), private("8")) is BadClaimCode
    harness.clock.advance(ms=1)
    assert await harness.desk.handle(ClaimBot(issue(harness)), private("8")) == HostClaimed(was_host=False)


async def test_the_same_event_gets_the_same_answer(harness: DeskHarness) -> None:
    code, context = issue(harness), private()
    await harness.desk.store_events(context.platform, [(context.event_id, "{}")])
    first = await harness.desk.handle(ClaimBot(code), context)
    assert await harness.desk.handle(ClaimBot(code), context) == first


async def test_a_claim_that_cannot_be_saved_leaves_the_code_valid(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = issue(harness)

    async def full(*_: object) -> None:
        raise CannotSave

    with monkeypatch.context() as patch:
        patch.setattr(type(harness.desk.parts.permissions), "add_host", full)
        assert await refusal(harness, ClaimBot(code), private()) is CannotSave
    assert await harness.desk.handle(ClaimBot(code), private()) == HostClaimed(was_host=False)


async def test_a_code_that_others_read_is_void_and_they_are_told(harness: DeskHarness) -> None:
    code = issue(harness)
    assert await refusal(harness, ClaimBot(code), group()) is ClaimCodeVoid
    assert await refusal(harness, ClaimBot(code), private()) is BadClaimCode
    assert not harness.desk.parts.rules.now.hosts


async def test_a_wrong_code_in_a_group_voids_nothing(harness: DeskHarness) -> None:
    code = issue(harness)
    assert await refusal(harness, ClaimBot("0" * CODE_CHARS), group()) is BadClaimCode
    assert await harness.desk.handle(ClaimBot(code), private()) == HostClaimed(was_host=False)


async def test_a_mention_in_a_discord_server_is_public_and_a_slash_command_is_not(
    harness: DeskHarness,
) -> None:
    in_server = replace(private("7", Platform.DISCORD), space_id="1")
    assert (
        await refusal(harness, ClaimBot(issue(harness)), replace(in_server, is_group=True)) is ClaimCodeVoid
    )
    claimed = await harness.desk.handle(ClaimBot(issue(harness)), replace(in_server, event_id="another"))
    assert claimed == HostClaimed(was_host=False)


async def test_a_code_expires_after_a_day_and_a_new_one_replaces_it(harness: DeskHarness) -> None:
    code = issue(harness)
    harness.clock.advance(ms=LASTS_MS)
    assert await refusal(harness, ClaimBot(code), private()) is BadClaimCode
    old, new = issue(harness), issue(harness)
    assert await refusal(harness, ClaimBot(old), private()) is BadClaimCode
    assert await harness.desk.handle(ClaimBot(new), private()) == HostClaimed(was_host=False)


async def test_without_any_code_nobody_becomes_host(harness: DeskHarness) -> None:
    for code in ("", "0" * CODE_CHARS):
        assert await refusal(harness, ClaimBot(code), private()) is BadClaimCode
    (folder_of(harness) / CLAIM_FILE).write_text("{")
    assert await refusal(harness, ClaimBot("0" * CODE_CHARS), private()) is BadClaimCode


async def test_a_person_has_five_wrong_tries_and_all_together_fifty_an_hour(harness: DeskHarness) -> None:
    code = issue(harness)
    tries = [f"{number:012}" for number in range(100)]
    said = Counter([(await refusal(harness, ClaimBot(each), private("1"))) for each in tries[:8]])
    assert said == {BadClaimCode: 5, TooManyCodes: 3}
    assert await refusal(harness, ClaimBot(code), private("1")) is TooManyCodes  # even the right one
    people = [str(number) for number in range(2, 60)]
    said = Counter(
        [
            await refusal(harness, ClaimBot(each), private(one))
            for one, each in zip(people, tries[8:], strict=False)
        ]
    )
    assert said == {BadClaimCode: LIMITS.in_all - 5, TooManyCodes: len(people) - LIMITS.in_all + 5}
    harness.clock.advance(ms=LIMITS.window_ms)
    assert await harness.desk.handle(ClaimBot(code), private("1")) == HostClaimed(was_host=False)


async def test_a_host_needs_no_code_and_does_not_use_one_up(harness: DeskHarness) -> None:
    await harness.desk.handle(ClaimBot(issue(harness)), private("7"))
    harness.clock.advance(ms=1)
    code = issue(harness)
    assert await harness.desk.handle(ClaimBot(code), private("7")) == HostClaimed(was_host=True)
    assert await harness.desk.handle(ClaimBot(code), private("8")) == HostClaimed(was_host=False)


@pytest.mark.parametrize("platform", [Platform.WEB, Platform.CONSOLE])
async def test_the_local_chats_take_no_code(harness: DeskHarness, platform: Platform) -> None:
    assert await refusal(harness, ClaimBot(issue(harness)), private("7", platform)) is ClaimedElsewhere


def test_the_file_has_the_hash_alone_and_is_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    code = issue_claim(data, 5, SystemRandom())
    plain = code.replace("-", "")
    file = data / CLAIM_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert plain not in file.read_text()
    assert code not in file.read_text()
    assert json.loads(file.read_text())["sha256"] == hashlib.sha256(plain.encode()).hexdigest()
    assert len(plain) == CODE_CHARS
    assert len(CODE_DIGITS) ** CODE_CHARS >= 2**60
    assert set(plain) <= set(CODE_DIGITS)
    issued = read_claim(data, 5)
    assert issued is not None
    assert issued.is_of(f" {code.lower()} ")
    assert not issued.is_of(code[:-1])
    assert read_claim(data, 4) is None  # a clock that went back makes no code older


def test_a_claim_does_not_show_its_code() -> None:
    assert "K3F9" not in repr(ClaimBot("K3F97QXM2B4C"))


@pytest.mark.parametrize("was_host", [True, False])
def test_the_answers_say_what_comes_next(was_host: bool) -> None:
    english, chinese = (format_outcome(HostClaimed(was_host), locale) for locale in ("en", "zh-CN"))
    assert "host" in english
    assert "管理员" in chinese
