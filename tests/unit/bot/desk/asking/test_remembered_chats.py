"""What hosts decide for a chat holds for requests, buttons, recipe codes, lists and defaults alike."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.commands.grammar import parse
from bot.commands.values import (
    ChatProfile,
    Draw,
    DrawRecipe,
    EditProfile,
    EditSettings,
    LoraList,
    LoraSwitch,
    LoraWish,
    PixelSize,
    Ratio,
    Repeat,
    Reroll,
    Scope,
    ShowRecipe,
)
from bot.desk.loras.shelf import for_everybody
from bot.errors import HostsOnly, LoraNotHere, PersonError, SizeOverLimit, UnknownLora
from bot.outcomes import (
    CommandContext,
    FromDefaults,
    LoraListing,
    Outcome,
    Platform,
    ProfileShown,
    Receipt,
    RecipeShown,
    SizeLimited,
)
from bot.policy.rules import Rules
from engine.shelf import LoraFile, Shelf, Sidecar
from engine.shelf.sidecar import Helper
from tests.fakes.desk_harness import ANIME, SUGAR, DeskHarness, a_context, open_harness

RULES = Rules(hosts=frozenset({"telegram:host"}), allow=frozenset({"telegram:*"}), max_waiting=50)
events = iter(range(1_000_000))


def at(chat_id: str = "group", user_id: str = "ann") -> CommandContext:
    return a_context(f"p{next(events)}", user_id, platform=Platform.TELEGRAM, chat_id=chat_id)


async def draw(harness: DeskHarness, command: Any, chat_id: str = "group", user_id: str = "ann") -> Receipt:
    receipt = await harness.desk.handle(command, at(chat_id, user_id))
    assert isinstance(receipt, Receipt)
    return receipt


async def edit(harness: DeskHarness, text: str, chat_id: str = "group") -> ProfileShown:
    shown: Outcome = await harness.desk.handle(parse(f"/profile {text}"), at(chat_id, "host"))
    assert isinstance(shown, ProfileShown)
    return shown


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/profile", EditProfile()),
        ("/profile --loras sugar, my face", EditProfile(("sugar", "my face"))),
        ("/profile --limit 512x512", EditProfile(limit=PixelSize(512, 512))),
        ("/聊天设置 --可用lora sugar，anime --语言 英文", EditProfile(("sugar", "anime"), language="en")),
        ("/profile reset limit", EditProfile(reset=("limit",))),
        ("/profile 重置", EditProfile(reset=("loras", "limit", "language"))),
    ],
)
def test_a_text_becomes_its_command(text: str, command: EditProfile) -> None:
    assert parse(text) == command


@pytest.mark.parametrize("text", ["/profile --limit 2:3", "/profile limit", "/profile reset size"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(PersonError):
        parse(text)


async def test_hosts_alone_change_a_profile_and_the_database_records_who(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        with pytest.raises(HostsOnly):
            await harness.desk.handle(EditProfile(limit=PixelSize(64, 64)), at())
        with pytest.raises(UnknownLora):
            await edit(harness, "--loras nobody")
        shown = await edit(harness, "--loras Sugar --limit 128x128 --language zh-TW")
        wanted = ChatProfile(("sugar",), PixelSize(128, 128), "zh-TW")
        assert shown == ProfileShown(wanted, "", is_changed=True)
        assert await edit(harness, "") == ProfileShown(wanted, "")
        await edit(harness, "reset limit")
        changes = await harness.store.profiles.newest_changes(5)
        assert [(one.user_id, one.chat_id) for one in changes] == 2 * [("host", "group")]
        assert [json.loads(one.after)["limit"] is None for one in changes] == [True, False]
        assert json.loads(changes[0].before)["loras"] == ["sugar"]
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.parts.profiles.load()
        assert (await edit(harness, "")).profile == ChatProfile(("sugar",), None, "zh-TW")
        assert (await edit(harness, "", "elsewhere")).profile == ChatProfile()
        await harness.desk.migrate_chat(Platform.TELEGRAM, "group", "super")
        assert (await edit(harness, "", "super")).profile.loras == ("sugar",)
        assert (await edit(harness, "", "group")).profile == ChatProfile()


async def test_other_loras_are_not_drawn_here_by_any_path(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES, default_lora="anime") as harness:
        anime = await draw(harness, Draw("a", loras=(LoraWish("anime"),)))
        shown = await harness.desk.handle(ShowRecipe(job_id=anime.job_id), at())
        assert isinstance(shown, RecipeShown)
        await edit(harness, "--loras sugar")
        assert (await draw(harness, Draw("b", loras=(LoraWish("sugar"),)))).recipe.loras
        assert (await draw(harness, Draw("c"))).recipe.loras == ()  # the default is none of them
        for command in (
            Draw("d", loras=(LoraWish("anime"),)),
            Reroll(anime.job_id),
            Repeat(anime.job_id),
            DrawRecipe(shown.code),
        ):
            for person in ("ann", "host"):
                with pytest.raises(PersonError):
                    await harness.desk.handle(command, at(user_id=person))
        listed = await harness.desk.handle(LoraList(), at())
        assert isinstance(listed, LoraListing)
        assert [lora.name for lora in listed.loras] == ["sugar"]
        assert [lora.name for lora in harness.desk.suggest_loras("", at())] == ["sugar"]
        assert (await draw(harness, Reroll(anime.job_id), "ann")).recipe.loras  # in another chat


async def test_a_request_becomes_as_small_as_the_chat_allows_and_what_continues_is_refused(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        large = await draw(harness, Draw("a", size=PixelSize(256, 128)))
        shown = await harness.desk.handle(ShowRecipe(job_id=large.job_id), at())
        assert isinstance(shown, RecipeShown)
        await edit(harness, "--limit 128x64")
        for size, pixels in [
            (None, (80, 80)),
            (PixelSize(256, 128), (128, 64)),
            (Ratio(1, 2), (64, 128)),
            (PixelSize(1024, 1024), (80, 80)),
        ]:
            receipt = await draw(harness, Draw("a", size=size, again=True))
            assert (receipt.recipe.width_px, receipt.recipe.height_px) == pixels
            assert receipt.notes[0] == SizeLimited(*pixels)
        assert (await draw(harness, Draw("a", size=PixelSize(64, 64)))).notes == ()
        for command in (Reroll(large.job_id), Repeat(large.job_id), DrawRecipe(shown.code)):
            with pytest.raises(SizeOverLimit) as caught:
                await harness.desk.handle(command, at())
            assert caught.value.facts == {"width_px": 256, "height_px": 128, "limit": (128, 64)}


async def test_helpers_of_the_allowed_loras_come_along_and_own_defaults_give_way(tmp_path: Path) -> None:
    face = LoraFile("face", Path("face"), "f" * 64, 1, 8, sidecar=Sidecar(helpers=(Helper("anime", 0.5),)))
    shelf = Shelf(files={"face": face, "anime": ANIME, "sugar": SUGAR})
    async with open_harness(tmp_path, rules=RULES, shelf=shelf) as harness:
        await edit(harness, "--loras face")
        receipt = await draw(harness, Draw("a", loras=(LoraWish("face"),)))
        assert [lora.name for lora in receipt.recipe.loras] == ["face", "anime"]
        await harness.desk.handle(EditSettings(Draw(loras=(LoraWish("sugar"),), count=2)), at("elsewhere"))
        assert FromDefaults(("count",)) in (await draw(harness, Draw("b"))).notes


async def test_the_rule_is_asked_for_every_new_job(tmp_path: Path) -> None:
    """Also for a path that forgets to look LoRAs up by the rule of the chat."""
    async with open_harness(tmp_path, rules=RULES) as harness:
        receipt = await draw(harness, Draw("a", loras=(LoraWish("anime"),)))
        await edit(harness, "--loras sugar")
        with pytest.raises(LoraNotHere):
            harness.desk.parts.profiles.require(receipt.recipe, at())


async def test_a_language_is_the_persons_own_or_that_of_the_chat(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await edit(harness, "--language zh-CN")
        assert harness.desk.locale_of(at()) == "zh-CN"
        assert harness.desk.locale_of(at("elsewhere")) == "en"
        await harness.desk.handle(EditSettings(language="zh-TW"), at())
        assert harness.desk.locale_of(at()) == "zh-TW"
        assert (await harness.job((await draw(harness, Draw("a"))).job_id)).locale == "zh-TW"


async def test_a_sheet_is_bound_by_the_loras_of_its_cells_and_by_its_pictures_at_full_size(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        sheet = await draw(harness, parse("/compare a face --loras sugar,anime --size 256x256"))
        assert sheet.recipe.sheet is not None
        require = harness.desk.parts.profiles.require
        require(sheet.recipe, at())
        await edit(harness, "--loras sugar")
        with pytest.raises(LoraNotHere):
            require(sheet.recipe, at())
        await edit(harness, "reset --limit 128x128")
        with pytest.raises(SizeOverLimit):
            require(sheet.recipe, at())


def in_thread(user_id: str = "ann") -> CommandContext:
    return replace(at("thread", user_id), parent_chat_id="group")


async def test_settings_are_refused_a_lora_that_this_chat_does_not_draw_with(tmp_path: Path) -> None:
    wanted = EditSettings(Draw(loras=(LoraWish("anime"),)))
    async with open_harness(tmp_path, rules=RULES) as harness:
        await edit(harness, "--loras sugar")
        with pytest.raises(UnknownLora):
            await harness.desk.handle(wanted, at())
        await harness.desk.handle(wanted, at("elsewhere"))


async def test_a_thread_has_the_profile_of_its_channel_until_it_has_its_own(tmp_path: Path) -> None:
    async def edit_thread(text: str) -> ProfileShown:
        shown = await harness.desk.handle(parse(f"/profile {text}"), in_thread("host"))
        assert isinstance(shown, ProfileShown)
        return shown

    async with open_harness(tmp_path, rules=RULES) as harness:
        await edit(harness, "--loras sugar --limit 128x64 --language zh-CN")
        of_channel = ChatProfile(("sugar",), PixelSize(128, 64), "zh-CN")
        with pytest.raises(PersonError):
            await harness.desk.handle(Draw("a", loras=(LoraWish("anime"),)), in_thread())
        receipt = await harness.desk.handle(Draw("a", size=PixelSize(256, 128)), in_thread())
        assert isinstance(receipt, Receipt)
        assert (receipt.recipe.width_px, receipt.recipe.height_px) == (128, 64)
        assert [lora.name for lora in harness.desk.suggest_loras("", in_thread())] == ["sugar"]
        assert harness.desk.locale_of(in_thread()) == "zh-CN"
        assert await edit_thread("") == ProfileShown(of_channel, "")
        assert await edit_thread("reset") == ProfileShown(of_channel, "")  # it has nothing of its own

        of_thread = ChatProfile(("anime",), PixelSize(128, 64), "zh-CN")
        assert await edit_thread("--loras anime") == ProfileShown(of_thread, "", is_changed=True)
        assert (await edit(harness, "")).profile == of_channel
        assert await harness.desk.handle(Draw("b", loras=(LoraWish("anime"),)), in_thread())
        await edit(harness, "--language en")
        assert (await edit_thread("")).profile == of_thread
        now = replace(of_channel, language="en")
        assert await edit_thread("reset") == ProfileShown(now, "", is_changed=True)
        assert await edit_thread("") == ProfileShown(now, "")
        assert (await edit(harness, "", "thread")).profile == ChatProfile()  # as no thread


async def test_a_thread_has_the_default_lora_of_its_channel_until_it_has_its_own(tmp_path: Path) -> None:
    async def loras_in(context: CommandContext) -> list[str]:
        receipt = await harness.desk.handle(Draw(f"a face {next(events)}"), context)
        assert isinstance(receipt, Receipt)
        return [lora.name for lora in receipt.recipe.loras]

    async with open_harness(tmp_path, rules=RULES, default_lora="sugar") as harness:
        for context, name, of_thread, of_channel in (
            (at(user_id="host"), "anime", ["anime"], ["anime"]),
            (in_thread("host"), "sugar", ["sugar"], ["anime"]),
            (in_thread("host"), "default", ["anime"], ["anime"]),
            (at(user_id="host"), "none", [], []),
            (at(user_id="host"), "default", ["sugar"], ["sugar"]),
        ):
            await harness.desk.handle(parse(f"/lora switch {name}"), context)
            assert (await loras_in(in_thread()), await loras_in(at())) == (of_thread, of_channel)


async def test_a_switch_that_is_rolled_back_changes_no_default(tmp_path: Path) -> None:
    async def switch_in_vain(scope: Scope) -> None:
        command = LoraSwitch(LoraWish("sugar"), scope)
        async with harness.store.atomic():
            await harness.desk.parts.defaults.switch(command, at(user_id="host"), for_everybody)
            raise ZeroDivisionError

    async with open_harness(tmp_path, rules=RULES) as harness:
        for scope in Scope:
            with pytest.raises(ZeroDivisionError):
                await switch_in_vain(scope)
            assert (await draw(harness, Draw(f"a face {next(events)}"))).recipe.loras == ()
