"""What a person sees of a job: the mark on a request, its progress, its picture with the prompt."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.placeholders import MAX_GROUP_EDITS
from bot.commands.values import Command, Pick
from bot.outcomes import CommandContext, JobState, Outcome, PickedPicture, Receipt, SizeChanged
from engine.request import TimeEstimate
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import RECIPE, make_result, make_status, png, serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Sent
from tests.fakes.telegram_world import World

GROUP = Group()
IN_GROUP = ChatAddress(GROUP.id, message_id=50)
IN_PRIVATE = ChatAddress(11, message_id=50)
SOON, LATER = TimeEstimate(2.0, 9.0), TimeEstimate(40.0, 90.0)


def receipt_desk(**facts: object) -> ScriptedDesk:
    def answer(_command: Command, context: CommandContext) -> Outcome:
        job_id = "j2" if context.is_group else "j1"
        return replace(Receipt(job_id, RECIPE, 1, 9, 0), **facts)  # type: ignore[arg-type]

    return ScriptedDesk(answer)


@pytest.mark.parametrize(
    ("facts", "is_reaction"),
    [
        ({"wait": SOON, "position": 1}, True),
        ({}, True),
        ({"position": 2}, False),
        ({"wait": LATER, "position": 1}, False),
        ({"is_loading": True}, False),
        ({"notes": (SizeChanged("1000x1000", 1008, 1008),)}, False),
    ],
)
async def test_a_group_gets_a_reaction_instead_of_a_message_that_says_nothing_new(
    server: TelegramServer, world: World, facts: dict[str, object], *, is_reaction: bool
) -> None:
    desk = receipt_desk(**facts)
    async with serving(server, desk):
        asked = world.say("/sugar a fox", group=GROUP)
        await server.until(lambda: desk.settled)
    assert world.reactions == ({(GROUP.id, asked): "👀"} if is_reaction else {})
    assert len(world.in_chat(GROUP.id)) == (0 if is_reaction else 1)
    assert set(desk.addresses) == (set() if is_reaction else {"j2"})


@pytest.mark.parametrize("fault", ["forbidden here", "flood"])
async def test_a_group_without_reactions_and_a_private_chat_get_a_message(
    server: TelegramServer, world: World, fault: str
) -> None:
    if fault == "flood":
        server.fail("setMessageReaction", 429, "Too Many Requests: retry after 0", retry_after=0)
    else:
        world.no_reactions.add(GROUP.id)
    desk = receipt_desk()
    async with serving(server, desk):
        world.say("/sugar a fox", group=GROUP)
        world.say("a fox")
        await server.until(lambda: len(desk.settled) == 2)
    assert len(world.in_chat(GROUP.id)) == len(world.in_chat(11)) == 1
    assert not world.reactions


async def test_a_press_in_a_group_shows_its_receipt_to_the_presser_only(
    server: TelegramServer, world: World
) -> None:
    shown = Sent(GROUP.id, 80, "photo", "done", (("Reroll", "v1:r:j9"),))
    world.messages[GROUP.id, 80] = shown
    desk = receipt_desk()
    async with serving(server, desk):
        query_id = world.press(shown, "Reroll")
        await server.until(lambda: desk.settled)
    assert world.reactions == {(GROUP.id, 80): "👀"}
    assert "You are next" in world.toasts[query_id]
    assert world.in_chat(GROUP.id) == [shown]


async def test_a_picture_follows_a_reaction_as_one_message(
    server: TelegramServer, world: World, chat: TelegramChat, tmp_path: Path
) -> None:
    await chat.deliver(make_result(ChatAddress(GROUP.id, reply_to=70), tmp_path, png()))
    [picture] = world.in_chat(GROUP.id)
    assert (picture.kind, picture.reply_to) == ("photo", 70)


async def test_a_group_sees_six_edits_of_a_job_at_most_two_of_them_kept_for_the_drawing(
    server: TelegramServer, world: World, chat: TelegramChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.telegram_.rate_limiter.GROUP_EDIT_GAP_S", 0.0)
    world.messages[GROUP.id, 50] = Sent(GROUP.id, 50, "text", "waiting")
    waiting = MAX_GROUP_EDITS - 2
    positions = [make_status(IN_GROUP, position=position) for position in range(20, 0, -1)]
    steps = [make_status(IN_GROUP, step=step) for step in range(9)]
    for status, edits in (
        *zip(positions, [*range(1, waiting), *[waiting] * 20], strict=False),
        *zip(steps, [waiting + 1, waiting + 1, *[waiting + 2] * 7], strict=True),
    ):
        await chat.show(status)
        await server.until(lambda edits=edits: len(server.named("editMessageText")) == edits)
    await server.until(lambda: "step 2 of 8" in world.texts(GROUP.id)[0])


async def test_the_steps_of_a_batch_are_a_draft_that_its_album_replaces(
    server: TelegramServer, world: World, chat: TelegramChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.telegram_.rate_limiter.PRIVATE_EDIT_GAP_S", 0.0)
    world.messages[11, 50] = Sent(11, 50, "text", "waiting")
    for step in (1, 5):
        await chat.show(replace(make_status(IN_PRIVATE, step=step), count=2))
        await server.until(lambda step=step: f"step {step} of 8" in world.drafts.get(11, [""])[-1])
    assert world.texts(11) == ["Drawing now…"]
    assert len(server.named("editMessageText")) == 1
    result = make_result(IN_PRIVATE, tmp_path, png(), png("navy"))
    await chat.deliver(result)
    assert len(world.drafts[11]) == 2

    await chat.show(replace(make_status(IN_PRIVATE, step=6, job_id="j2"), count=2))
    await server.until(lambda: len(world.drafts[11]) == 3)
    ended = make_result(IN_PRIVATE, tmp_path, state=JobState.CANCELLED, job_id="j2")
    await chat.deliver(ended)
    assert "Cancelled." in world.drafts[11][-1], "a draft without a message after it stays for a while"


async def test_one_picture_groups_and_refused_drafts_have_their_steps_in_the_placeholder(
    server: TelegramServer, world: World, chat: TelegramChat
) -> None:
    world.messages[11, 50] = Sent(11, 50, "text", "waiting")
    world.messages[GROUP.id, 50] = Sent(GROUP.id, 50, "text", "waiting")
    await chat.show(make_status(IN_PRIVATE, step=3))
    await server.until(lambda: "step 3 of 8" in world.texts(11)[0])
    await chat.show(replace(make_status(IN_GROUP, step=3), count=2))
    await server.until(lambda: "step 3 of 8" in world.texts(GROUP.id)[0])
    assert not server.named("sendMessageDraft")
    server.fail("sendMessageDraft", 400, "Bad Request: DRAFTS_UNAVAILABLE", times=9)
    for step in (4, 5):
        await chat.show(replace(make_status(IN_PRIVATE, step=step), count=2))
        await server.until(lambda step=step: f"step {step} of 8" in world.texts(11)[0])
    assert len(server.named("sendMessageDraft")) == 1, "a chat that refuses drafts is not asked again"


@pytest.mark.parametrize("typed", ["a fox <b>&amp;</b> *bold*", "🦊" * 1_500, "一只狐狸"])
async def test_the_prompt_stands_in_a_quote_that_markup_cannot_leave(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path, typed: str
) -> None:
    for count in (1, 2):
        world.messages[11, 50] = Sent(11, 50, "text", "waiting")
        result = make_result(IN_PRIVATE, tmp_path, *[png(), png("navy")][:count], job_id=f"j{count}")
        await chat.deliver(replace(result, recipe=replace(RECIPE, typed=typed)))
        shown = world.messages[11, 50]
        [(kind, quoted)] = shown.entities
        assert kind == "expandable_blockquote"
        assert quoted == typed or (count == 1 and quoted.endswith("…"))
        assert "AI-generated" in shown.text
    assert not any("parse_mode" in call.params for call in server.calls)


async def test_every_message_of_a_job_leads_back_to_it(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    for count in (1, 3):
        world.messages[11, 50] = Sent(11, 50, "text", "waiting")
        await chat.deliver(make_result(IN_PRIVATE, tmp_path, *[png()] * count, job_id=f"j{count}"))
    indices = {(each.job_id, each.index) for each in desk.messages.values()}
    assert indices == {("j3", None), ("j3", 0), ("j3", 1), ("j3", 2)}, "the placeholder shows j3 now"
    assert {int(message_id) for _, message_id in desk.messages} == {
        sent.message_id for sent in world.in_chat(11)
    }


async def test_an_expected_start_counts_down_and_a_drawing_has_a_bar(
    server: TelegramServer, world: World, chat: TelegramChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.telegram_.rate_limiter.PRIVATE_EDIT_GAP_S", 0.0)
    world.messages[11, 50] = Sent(11, 50, "text", "waiting")
    await chat.show(replace(make_status(IN_PRIVATE, position=3), wait=LATER))
    await server.until(lambda: world.messages[11, 50].entities)
    assert [kind for kind, _ in world.messages[11, 50].entities] == ["date_time", "date_time"]
    await chat.show(make_status(IN_PRIVATE, step=4))
    await server.until(lambda: "▰▰▰▰▰▱▱▱▱▱" in world.texts(11)[0])
    assert "step 4 of 8" in world.texts(11)[0], "the bar does not stand alone"
    world.say("/quota")
    await server.until(lambda: len(world.in_chat(11)) == 2)
    assert [kind for kind, _ in world.in_chat(11)[-1].entities] == ["date_time"]


def _photos(world: World) -> list[Sent]:
    return [sent for sent in world.in_chat(11) if sent.kind == "photo"]


async def test_a_spoiler_covers_the_photos_of_a_job_also_when_they_are_sent_again(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    for count, spoiler in ((1, True), (2, True), (1, False)):
        world.messages[11, 50] = Sent(11, 50, "text", "waiting")
        result = make_result(IN_PRIVATE, tmp_path, *[png(), png("navy")][:count], job_id=f"j{count}")
        result = replace(result, spoiler=spoiler)
        await chat.deliver(result)
        assert {sent.has_spoiler for sent in _photos(world)} == {spoiler}
        desk.answer = lambda *_, of=result: PickedPicture(
            of.job_id, of.pictures[0], of.recipe, spoiler=of.spoiler
        )
        world.press(Sent(11, 80, "text", "", (("Picture 1", "v2:pick:j1:0"),)), "Picture 1")
        await server.until(lambda count=count: len(_photos(world)) == count + 1)
        assert ("has_spoiler" in server.named("sendPhoto")[0].params) is spoiler
        server.calls.clear()
        world.messages.clear()


async def test_a_picked_picture_has_its_controls_and_is_not_uploaded_again(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    world.messages[11, 50] = Sent(11, 50, "text", "waiting")
    result = make_result(IN_PRIVATE, tmp_path, png(), png("navy"))
    await chat.deliver(result)
    uploads = world.uploads
    desk.answer = lambda *_: PickedPicture("j1", result.pictures[1], result.recipe)
    world.press(world.messages[11, 50], "Picture 2")
    await server.until(lambda: server.named("sendPhoto"))
    await server.until(lambda: desk.settled)
    picked = world.in_chat(11)[-1]
    assert (picked.file, world.uploads) == (png("navy"), uploads)
    assert desk.handled[-1][0] == Pick("j1", 1)
    assert "Original file" in dict(picked.buttons)
    assert [kind for kind, _ in picked.entities] == ["expandable_blockquote"]
    assert desk.messages["11", str(picked.message_id)].index == 1
