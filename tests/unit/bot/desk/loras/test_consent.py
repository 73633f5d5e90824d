"""Who may use a LoRA, for every way to choose it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import messages
from bot.commands.values import (
    Draw,
    Link,
    LoraAllow,
    LoraList,
    LoraRevoke,
    LoraSwitch,
    LoraWish,
    Reroll,
    Scope,
    Unlink,
)
from bot.errors import BadSubject, OwnersOnly, UnknownLora
from bot.outcomes import (
    JobState,
    LinkCode,
    LoraAllowed,
    LoraListing,
    LoraRevoked,
    Platform,
    Receipt,
)
from engine.request import FailReason, FileStamp
from engine.shelf import Shelf, Sidecar
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness
from tests.unit.bot.desk.loras.consenting import (
    FILES,
    MEMBER,
    NAMED,
    OWNER,
    STRANGER,
    Speaker,
    a_lora,
    opened,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    async with opened(tmp_path) as harness:
        yield harness


@pytest.fixture
def say(harness: DeskHarness) -> Speaker:
    return Speaker(harness)


@pytest.mark.parametrize(
    ("user_id", "chat_id", "may"),
    [
        (OWNER, "here", True),
        (MEMBER, "here", True),
        (STRANGER, "here", False),
        (STRANGER, "club", True),
        ("host", "here", False),  # a host has no right of its own
    ],
)
async def test_a_face_is_for_its_owner_and_those_whom_the_sidecar_names(
    say: Speaker, user_id: str, chat_id: str, may: bool
) -> None:
    assert await say.may(user_id, chat_id) is may


async def test_a_face_without_a_list_is_for_its_owner_alone(tmp_path: Path) -> None:
    files = {"face": a_lora("face", depicts_person=True, owner="console:the-owner")}
    async with open_harness(tmp_path, shelf=Shelf(files)) as harness:
        say = Speaker(harness)
        assert await say.may(OWNER)
        assert not await say.may(MEMBER)


async def test_a_channel_that_a_sidecar_names_may_use_it_in_its_threads_too(harness: DeskHarness) -> None:
    for channel, may in (("club", True), ("hall", False)):
        thread = replace(a_context(channel, STRANGER, chat_id="thread"), parent_chat_id=channel)
        found = harness.desk.suggest_loras("face", thread)
        assert [lora.name for lora in found] == ["face"] * may


async def test_everybody_of_a_platform_may_be_named(tmp_path: Path) -> None:
    files = {"face": a_lora("face", depicts_person=True, chats=frozenset({"console:*"}))}
    async with open_harness(tmp_path, shelf=Shelf(files)) as harness:
        assert await Speaker(harness).may(STRANGER)


async def test_every_way_to_choose_is_checked(harness: DeskHarness, say: Speaker) -> None:
    first = await say(OWNER, Draw(prompt="a", loras=NAMED))
    assert not await say.may(STRANGER, command=Draw(prompt="a", loras=(LoraWish("FACE", 0.5),)))
    assert not await say.may(STRANGER, command=Draw(prompt="a", loras=(LoraWish("face 0.5"),)))
    assert not await say.may(STRANGER, command=Draw(prompt="a", loras=(LoraWish("#" + "f" * 20),)))
    assert not await say.may(STRANGER, command=Reroll(first.job_id))
    assert await say.may(OWNER, command=Reroll(first.job_id))
    # A LoRA whose helper one may not use cannot be used either.
    helped = Draw(prompt="a", loras=(LoraWish("helped"),))
    assert not await say.may(STRANGER, command=helped)
    assert await say.may(OWNER, command=helped)
    # As a default it is one only for those who may use it.
    await say("host", LoraSwitch(LoraWish("open")), chat_id="club")
    with pytest.raises(UnknownLora):
        await say("host", LoraSwitch(LoraWish("face")), chat_id="here")
    await say("host", LoraSwitch(LoraWish("face"), Scope.BOT), chat_id="club")
    plain = await say(STRANGER, Draw(prompt="a"))
    assert plain.recipe.loras == ()
    own = await say(MEMBER, Draw(prompt="a"))
    assert [lora.name for lora in own.recipe.loras] == ["face"]


async def test_a_refusal_is_the_same_whether_a_lora_exists_or_not(say: Speaker) -> None:
    sentences = []
    for name in ("face", "fate"):
        with pytest.raises(UnknownLora) as caught:
            await say(STRANGER, Draw(prompt="a", loras=(LoraWish(name),)))
        sentences.append(messages.format_error(caught.value, "en").replace(name, "…"))
    assert sentences[0] == sentences[1]
    assert "ask the host" in sentences[0]


async def test_lists_and_suggestions_show_only_what_one_may_use(harness: DeskHarness, say: Speaker) -> None:
    for user_id, names in ((STRANGER, ["open"]), (MEMBER, ["face", "helped", "open"])):
        listing = await say(user_id, LoraList())
        assert isinstance(listing, LoraListing)
        assert [lora.name for lora in listing.loras] == names
        found = harness.desk.suggest_loras("", a_context("x", user_id))
        assert sorted(lora.name for lora in found) == names


async def test_owner_and_hosts_decide_and_others_do_not(say: Speaker) -> None:
    with pytest.raises(UnknownLora):
        await say(STRANGER, LoraAllow("face", person=f"console:{STRANGER}"))
    with pytest.raises(OwnersOnly):
        await say(MEMBER, LoraAllow("face", person=f"console:{STRANGER}"))
    allowed = await say(OWNER, LoraAllow("Face", person=f"console:{STRANGER}"))
    assert allowed == LoraAllowed("face", f"console:{STRANGER}")
    assert await say.may(STRANGER)
    await say("host", LoraRevoke("face", person=f"console:{STRANGER}"))
    assert not await say.may(STRANGER)
    await say(OWNER, LoraAllow("face", chat="here"), chat_id="there")
    assert await say.may("nina", "there")
    assert not await say.may("nina", "here")
    assert not await say.may(STRANGER, "there")  # who lost it lost it everywhere


async def test_a_decision_wins_over_the_sidecar(say: Speaker) -> None:
    await say(OWNER, LoraRevoke("face", person=f"console:{MEMBER}"))
    assert not await say.may(MEMBER)
    assert not await say.may(MEMBER, "club")  # a person who was named is meant everywhere
    await say(OWNER, LoraRevoke("face", chat="console:club"))
    assert not await say.may(STRANGER, "club")
    await say(OWNER, LoraRevoke("open", chat="here"))
    assert not await say.may(STRANGER, "here", Draw(prompt="a", loras=(LoraWish("open"),)))
    assert await say.may(STRANGER, "there", Draw(prompt="a", loras=(LoraWish("open"),)))


@pytest.mark.parametrize("subject", ["", "somebody", "discord:", "discord:*", "icq:1", "<@x>", "1;--"])
async def test_a_strange_subject_is_refused(say: Speaker, subject: str) -> None:
    if subject:
        with pytest.raises(BadSubject):
            await say(OWNER, LoraAllow("face", person=subject))
    with pytest.raises(BadSubject):
        await say(OWNER, LoraAllow("face", chat=subject or "?"))


@pytest.mark.parametrize(
    ("typed", "subject"),
    [("<@12>", "console:12"), ("<@!12>", "console:12"), ("12", "console:12"), ("telegram:-7", "telegram:-7")],
)
async def test_a_subject_is_a_mention_an_id_or_names_its_platform(
    say: Speaker, typed: str, subject: str
) -> None:
    assert (await say(OWNER, LoraAllow("face", person=typed))).subject == subject


async def test_after_its_time_nobody_may_use_it(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as probe:
        expires_ms = probe.clock() + 10_000
    files = {"face": replace(FILES["face"], sidecar=replace(FILES["face"].sidecar, expires_ms=expires_ms))}
    async with open_harness(tmp_path, shelf=Shelf(files)) as harness:
        say = Speaker(harness)
        receipt = await say(OWNER, Draw(prompt="a", loras=NAMED))
        harness.clock.advance(seconds=10)
        assert not await say.may(OWNER)
        async with harness.running():  # a job that waited too long is not drawn
            [result] = await harness.chat.wait_for_results(1)
        assert (result.state, result.fail, result.refund) == (
            JobState.FAILED, FailReason.LORA_WITHDRAWN, receipt.price,
        )  # fmt: skip
        assert harness.renderer.received == []


async def test_a_removed_file_does_not_open_what_its_sidecar_has_closed(
    harness: DeskHarness, say: Speaker
) -> None:
    await say(MEMBER, Draw(prompt="a", loras=NAMED))
    closed = replace(FILES["face"], sidecar=replace(FILES["face"].sidecar, people=frozenset()))
    harness.desk.parts.shelf.replace(Shelf({"face": closed}))
    harness.desk.parts.shelf.replace(Shelf({}))
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    assert result.fail is FailReason.LORA_WITHDRAWN
    assert harness.renderer.received == []


@pytest.mark.parametrize("is_gone", [False, True])
async def test_a_copy_or_a_renamed_file_without_statements_is_for_the_same_people(
    harness: DeskHarness, say: Speaker, is_gone: bool
) -> None:
    copy = replace(FILES["face"], name="copy", sidecar=Sidecar(titles={"en": "Copy"}))
    harness.desk.parts.shelf.replace(Shelf({"copy": copy} if is_gone else {**FILES, "copy": copy}))
    wanted = Draw(prompt="a", loras=(LoraWish("copy"),))
    assert await say.may(MEMBER, command=wanted)
    assert not await say.may(STRANGER, command=wanted)
    [job] = harness.desk.parts.queue.jobs.values()
    assert await harness.desk.parts.consents.may_draw(job)
    own = replace(copy, sidecar=Sidecar(people=frozenset({f"console:{STRANGER}"})))
    harness.desk.parts.shelf.replace(Shelf({"copy": own}))
    assert await say.may(STRANGER, command=wanted)  # its own statements count
    assert not await harness.desk.parts.consents.may_draw(job)


async def after_a_restart(tmp_path: Path, **stated: Any) -> None:
    """Let an earlier run have the face; some of its statements may be others."""
    face = replace(FILES["face"], sidecar=replace(FILES["face"].sidecar, **stated))
    async with open_harness(tmp_path, shelf=Shelf({"face": face})) as harness:
        statements = harness.desk.parts.shelf.statements
        await harness.store.consents.state(statements.unsaved, harness.clock())


COPY = replace(FILES["face"], name="copy", sidecar=Sidecar())


async def test_after_a_restart_a_renamed_file_is_for_the_same_people(tmp_path: Path) -> None:
    await after_a_restart(tmp_path)
    wanted = Draw(prompt="a", loras=(LoraWish("copy"),))
    async with opened(tmp_path, shelf=Shelf({"copy": COPY})) as harness:
        say = Speaker(harness)
        assert await say.may(MEMBER, command=wanted)
        assert not await say.may(STRANGER, command=wanted)
        assert await say.may(STRANGER, "club", wanted)
        await say(OWNER, LoraAllow("copy", person=f"console:{STRANGER}"))  # its owner is known, too
        assert await say.may(STRANGER, command=wanted)
        await say(OWNER, LoraRevoke("face"))  # which has left the shelf
        assert harness.renderer.withdrawn == {"f" * 64}
        for each in (OWNER, MEMBER, STRANGER):
            assert not await say.may(each, command=wanted)


async def test_after_a_restart_a_removed_sidecar_opens_nothing_and_a_written_one_does(tmp_path: Path) -> None:
    await after_a_restart(tmp_path)
    for stamp, may in ((None, False), (FileStamp(1, 1, 1, 1), True)):
        face = replace(FILES["face"], sidecar=Sidecar(), sidecar_stamp=stamp)
        async with opened(tmp_path, shelf=Shelf({"face": face})) as harness:
            assert await Speaker(harness).may(STRANGER) is may


async def test_after_a_restart_a_copy_expires_with_its_content(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as probe:
        now_ms = probe.clock()
    await after_a_restart(tmp_path, expires_ms=now_ms - 1)
    wanted = Draw(prompt="a", loras=(LoraWish("copy"),))
    copies = (COPY, replace(COPY, sidecar=Sidecar(expires_ms=now_ms + 10**9)))
    for copy in copies:
        async with opened(tmp_path, shelf=Shelf({"copy": copy})) as harness:
            assert not await Speaker(harness).may(MEMBER, command=wanted)


async def test_a_copy_that_states_only_an_end_is_for_the_same_people(
    harness: DeskHarness, say: Speaker
) -> None:
    copy = replace(COPY, sidecar=Sidecar(expires_ms=10**15))
    harness.desk.parts.shelf.replace(Shelf({**FILES, "copy": copy}))
    wanted = Draw(prompt="a", loras=(LoraWish("copy"),))
    assert await say.may(MEMBER, command=wanted)
    assert not await say.may(STRANGER, command=wanted)


async def test_a_revocation_concerns_every_content_that_the_name_has_or_had(tmp_path: Path) -> None:
    await after_a_restart(tmp_path)
    newer = replace(FILES["face"], sha256="e" * 64)
    async with opened(tmp_path, shelf=Shelf({"face": newer, "copy": COPY})) as harness:
        say = Speaker(harness)
        await say(OWNER, LoraRevoke("face"))
        assert harness.renderer.withdrawn == {"e" * 64, "f" * 64}
        assert not await say.may(MEMBER, command=Draw(prompt="a", loras=(LoraWish("copy"),)))
        newest = replace(COPY, sha256="d" * 64)
        last = {"face": replace(newer, sha256="d" * 64), "copy": newest}
        harness.desk.parts.shelf.replace(Shelf(last))
        assert not await say.may(MEMBER, command=Draw(prompt="a", loras=(LoraWish("copy"),)))
        await say(OWNER, LoraAllow("face"))
        assert await say.may(MEMBER, command=Draw(prompt="a", loras=(LoraWish("copy"),)))
        assert harness.renderer.withdrawn == frozenset()


async def test_two_linked_people_are_one_and_after_unlinking_two(harness: DeskHarness, say: Speaker) -> None:
    async def elsewhere(command: Any) -> Any:
        return await say("77", command, "77", Platform.DISCORD)

    with pytest.raises(UnknownLora):
        await elsewhere(Draw(prompt="a", loras=NAMED))
    code = await say(MEMBER, Link())
    assert isinstance(code, LinkCode)
    for _ in range(2):
        await elsewhere(Link(code.code))
    assert isinstance(await elsewhere(Draw(prompt="a", loras=NAMED)), Receipt)
    # A decision about one identity holds for all of the person.
    await say(OWNER, LoraRevoke("face", person="discord:77"))
    assert not await say.may(MEMBER)
    await say(OWNER, LoraAllow("face", person="discord:77"))
    assert await say.may(MEMBER)
    await elsewhere(Unlink())
    harness.clock.advance(seconds=90_000)  # for new credits
    assert isinstance(await elsewhere(Draw(prompt="a", loras=NAMED)), Receipt)  # it was named itself
    await say(OWNER, LoraRevoke("face", person="discord:77"))
    with pytest.raises(UnknownLora):
        await elsewhere(Draw(prompt="a", loras=NAMED))
    assert await say.may(MEMBER)


async def test_a_chat_s_rights_move_to_its_new_id(harness: DeskHarness, say: Speaker) -> None:
    await say(OWNER, LoraAllow("face", chat="here"), chat_id="old")
    await harness.desk.migrate_chat(Platform.CONSOLE, "old", "new")
    assert await say.may(STRANGER, "new")
    await harness.desk.migrate_chat(Platform.CONSOLE, "club", "club2")
    assert await say.may(STRANGER, "club2")


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize(
    "outcome",
    [
        LoraAllowed("face", "discord:1"),
        LoraAllowed("face", ""),
        LoraRevoked("face", "discord:1", 0),
        LoraRevoked("face", "", 3),
    ],
)
def test_every_decision_is_confirmed(outcome: LoraAllowed | LoraRevoked, locale: str) -> None:
    shown = messages.format_outcome(outcome, locale)
    assert "face" in shown
    assert "{" not in shown
    assert (outcome.subject in shown) if outcome.subject else ("discord" not in shown)
