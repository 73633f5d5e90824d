"""What people always want, and their presets: shown, changed, shared by linked chats, overridden."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw, Face, Link, LoraWish, PersonSettings, PixelSize, Ratio, Unlink
from bot.desk.asking.editing import MAX_PRESET_CHARS, MAX_PRESETS
from bot.errors import (
    LorasJoined,
    MissingValue,
    NotInPublic,
    NotYours,
    PersonError,
    PresetTooLong,
    TooManyPresets,
    UnknownLora,
    UnknownPreset,
)
from bot.outcomes import (
    Address,
    CommandContext,
    DefaultSkipped,
    FromDefaults,
    LinkCode,
    Outcome,
    Platform,
    PresetDeleted,
    PresetList,
    PresetSaved,
    Receipt,
    SettingsShown,
)
from bot.policy.rules import Rules
from bot.store.asking import AskingStore
from engine.shelf import Shelf, Sidecar
from tests.fakes.desk_harness import ANIME, DeskHarness, a_context, open_harness

OPEN = Rules(allow=frozenset({"discord:*", "telegram:*"}), max_waiting=20, daily_credits=400)
SUGAR = (LoraWish("sugar", 0.5),)


class Person:
    """Somebody who writes texts."""

    def __init__(
        self, harness: DeskHarness, user_id: str = "ann", platform: Platform = Platform.TELEGRAM
    ) -> None:
        self.harness, self.user_id, self.platform, self.events = harness, user_id, platform, 0

    def context(self, **where: Any) -> CommandContext:
        self.events += 1
        event = f"{self.user_id} {self.platform} {self.events}"
        context = a_context(event, self.user_id, platform=self.platform, chat_id=self.user_id)
        return CommandContext(**{name: getattr(context, name) for name in context.__slots__} | where)

    async def say(self, text: str, **where: Any) -> Outcome:
        return await self.harness.desk.handle(parse(text), self.context(**where))

    async def draw(self, text: str) -> Receipt:
        receipt = await self.say(f"/sugar {text} --again")
        assert isinstance(receipt, Receipt)
        return receipt

    async def settings(self) -> PersonSettings:
        shown = await self.say("/settings")
        assert isinstance(shown, SettingsShown)
        assert not shown.is_changed
        return shown.settings


async def test_settings_hold_until_they_are_changed_or_reset_also_after_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann = Person(harness)
        assert await ann.settings() == PersonSettings()
        shown = await ann.say("/settings --lora sugar:0.5 --size 2:3 --count 2 --spoiler --private --english")
        assert isinstance(shown, SettingsShown)
        assert shown.is_changed
        await ann.say("/settings --no-advice --size square")
        wanted = PersonSettings(
            Draw(loras=SUGAR, size=Ratio(1, 1), count=2, private=True, spoiler=True), "en", False
        )
        assert await ann.settings() == wanted
    async with open_harness(tmp_path, rules=OPEN) as harness:
        await harness.desk.parts.preferences.load()
        ann = Person(harness)
        ann.events = 100
        assert await ann.settings() == wanted
        await ann.say("/settings reset private spoiler language advice")
        assert await ann.settings() == PersonSettings(Draw(loras=SUGAR, size=Ratio(1, 1), count=2))
        await ann.say("/settings reset --count 3")
        assert await ann.settings() == PersonSettings(Draw(count=3))
        assert await Person(harness, "ben").settings() == PersonSettings()


async def test_linking_and_unlinking_read_the_two_people_alone_and_know_what_a_start_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int | None] = []
    settings, presets = AskingStore.settings, AskingStore.presets

    async def noted_settings(self: AskingStore, person: int | None = None) -> Any:
        read.append(person)
        return await settings(self, person)

    async def noted_presets(self: AskingStore, person: int | None = None) -> Any:
        read.append(person)
        return await presets(self, person)

    monkeypatch.setattr(AskingStore, "settings", noted_settings)
    monkeypatch.setattr(AskingStore, "presets", noted_presets)
    async with open_harness(tmp_path, rules=OPEN) as harness:
        preferences = harness.desk.parts.preferences
        await preferences.load()
        here, there = Person(harness), Person(harness, "ann", Platform.DISCORD)
        await here.say("/settings --count 3")
        await here.say("/preset cosy --size 2:3")
        await there.say("/settings --spoiler")
        await there.say("/preset stark --size 3:2")
        await Person(harness, "ben").say("/settings --count 2")
        code = await there.say("/link")
        assert isinstance(code, LinkCode)
        read.clear()
        await here.say(f"/link {code.code}")
        assert read == [], "nothing was linked yet"
        await here.say(f"/link {code.code}")
        assert sorted(map(str, read)) == ["1", "1", "2", "2"]
        assert await here.settings() == await there.settings() == PersonSettings(Draw(spoiler=True))
        assert set(preferences.suggest("", here.context())) == {"cosy", "stark"}
        assert preferences.suggest("", there.context()) == preferences.suggest("", here.context())
        known = remembered(harness)
        await preferences.load()
        assert remembered(harness) == known
        read.clear()
        await here.say("/unlink")
        assert None not in read
        assert await here.settings() == PersonSettings()
        assert await there.settings() == PersonSettings(Draw(spoiler=True))
        known = remembered(harness)
        await preferences.load()
        assert remembered(harness) == known


def remembered(harness: DeskHarness) -> tuple[object, ...]:
    """What is in memory of everybody; nothing of people without settings or presets."""
    preferences = harness.desk.parts.preferences
    presets = {person: saved for person, saved in preferences._presets.items() if saved}
    return (
        dict(preferences._settings),
        presets,
        {
            name: person
            for name, person in preferences._person_of.items()
            if person in preferences._settings or person in presets
        },
    )


async def test_options_of_a_request_win_over_a_preset_and_that_over_settings(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann = Person(harness)
        await ann.say("/settings --lora sugar:0.5 --size 64x128 --count 2 --spoiler")
        await ann.say("/preset cosy --size 128x64 --lips plum --count 3 soft light")
        plain = await ann.draw("a face")
        assert plain.notes == (FromDefaults(("count", "lora", "size", "spoiler")),)
        assert (plain.recipe.width_px, plain.recipe.count, plain.recipe.loras[0].weight) == (64, 2, 0.5)
        assert (await harness.job(plain.job_id)).spoiler
        cosy = await ann.draw("a face --preset Cosy --lips red")
        assert cosy.notes == (FromDefaults(("lora", "spoiler"), "cosy"),)
        assert (cosy.recipe.width_px, cosy.recipe.count) == (128, 3)
        assert cosy.recipe.typed == "a face, soft light, red"
        own = await ann.draw("a face --lora none --size 64x64 --count 1 --no-spoiler")
        assert own.notes == ()
        assert (own.recipe.loras, own.recipe.width_px, own.recipe.count) == ((), 64, 1)
        weaker = await ann.draw("a face --weight 0.25")
        assert [(lora.name, lora.weight) for lora in weaker.recipe.loras] == [("sugar", 0.25)]
        assert (await ann.draw("--preset cosy")).recipe.typed == "soft light, plum"


async def test_an_own_lora_that_is_not_there_gives_way_to_that_of_the_chat(tmp_path: Path) -> None:
    earlier = Shelf({"gone": replace(ANIME, name="gone")})
    async with open_harness(tmp_path, rules=OPEN, shelf=earlier) as harness:
        await Person(harness).say("/settings --lora gone --count 2")
    async with open_harness(tmp_path, rules=OPEN, default_lora="anime") as harness:
        receipt = await Person(harness).draw("a face")
        assert receipt.notes == (FromDefaults(("count",)), DefaultSkipped("gone"))
        assert [lora.name for lora in receipt.recipe.loras] == ["anime"]


async def test_an_own_private_is_known_at_once_and_an_option_wins_over_it(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann, desk = Person(harness), harness.desk
        await ann.say("/preset mine --private")
        assert desk.wants_private(Draw("a", preset="mine"), ann.context())
        assert not desk.wants_private(Draw("a", preset="nobody's"), ann.context())
        assert not desk.wants_private(Draw("a"), ann.context())
        await ann.say("/settings --private")
        assert desk.wants_private(Draw("a"), ann.context())
        assert not desk.wants_private(Draw("a", private=False), ann.context())
        assert not desk.wants_private(Draw("a"), Person(harness, "ben").context())
        assert (await harness.job((await ann.draw("a")).job_id)).private


async def test_linked_chats_share_settings_and_presets_and_the_code_s_owner_wins(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann, anna = Person(harness), Person(harness, "anna", Platform.DISCORD)
        await ann.say("/settings --count 2")
        await ann.say("/preset a --count 2")
        await anna.say("/settings --count 3")
        await anna.say("/preset A --count 3")
        await anna.say("/preset b --count 3")
        code = await harness.desk.handle(Link(), ann.context())
        assert isinstance(code, LinkCode)
        for _ in range(2):
            await harness.desk.handle(Link(code.code), anna.context())
        for person in (ann, anna):
            assert (await person.settings()).options.count == 2
            listed = await person.say("/preset")
            assert isinstance(listed, PresetList)
            assert [(one.name, one.options.count) for one in listed.presets] == [("a", 2), ("b", 3)]
        await harness.desk.handle(Unlink(), anna.context())
        assert await anna.settings() == PersonSettings()
        assert (await ann.settings()).options.count == 2


async def test_a_person_without_settings_gets_those_of_the_linked_one(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann, anna = Person(harness), Person(harness, "anna", Platform.DISCORD)
        await anna.say("/settings --count 3")
        code = await harness.desk.handle(Link(), ann.context())
        assert isinstance(code, LinkCode)
        for _ in range(2):
            await harness.desk.handle(Link(code.code), anna.context())
        assert (await ann.settings()).options.count == 3


async def test_a_preset_is_saved_replaced_shown_suggested_and_deleted(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann = Person(harness)
        saved = await ann.say("/preset Cosy --size 2:3")
        assert isinstance(saved, PresetSaved)
        assert saved.is_new
        again = await ann.say("/preset cosy --seed 7 {soft|hard} light")
        assert isinstance(again, PresetSaved)
        assert not again.is_new
        shown = await ann.say("/preset COSY")
        assert isinstance(shown, PresetList)
        assert [(one.name, one.options.seed, one.options.size) for one in shown.presets] == [
            ("cosy", 7, None)
        ]
        assert harness.desk.suggest_presets("OS", ann.context()) == ("cosy",)
        assert harness.desk.suggest_presets("x", ann.context()) == ()
        assert harness.desk.suggest_presets("", Person(harness, "ben").context()) == ()
        assert (await ann.draw("a --preset cosy")).recipe.seed == 7
        assert await ann.say("/preset cosy --delete") == PresetDeleted("cosy")
        assert await ann.say("/preset") == PresetList((), MAX_PRESETS)


async def test_a_preset_takes_the_options_of_a_job_without_its_prompt_and_seed(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann = Person(harness)
        job = await ann.draw("a face --lora sugar:0.5 --size 64x128 --seed 7 --count 2 --private")
        saved = await ann.say(f"/preset it --job {job.job_id} --count 3 soft light")
        assert isinstance(saved, PresetSaved)
        assert saved.preset.options == Draw("soft light", loras=SUGAR, size=PixelSize(64, 128), count=3)
        with pytest.raises(NotYours):
            await Person(harness, "ben").say(f"/preset it --job {job.job_id}")


@pytest.mark.parametrize("loras", ["--lora sugra", "--lora anime --lora sugra:0.5", "--lora anime,sugar"])
async def test_a_preset_is_refused_its_loras_as_a_drawing_is(tmp_path: Path, loras: str) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann, refusals = Person(harness), []
        for text in (f"/sugar soft light {loras}", f"/preset cosy soft light {loras}"):
            with pytest.raises((UnknownLora, LorasJoined)) as refused:
                await ann.say(text)
            refusals.append((type(refused.value), refused.value.facts))
        assert refusals[0] == refusals[1]
        assert await ann.say("/preset") == PresetList((), MAX_PRESETS)


@pytest.mark.parametrize("loras", ["--lora sugra", "--lora anime --lora sugra:0.5"])
async def test_settings_are_refused_their_loras_as_a_drawing_is(tmp_path: Path, loras: str) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann, refusals = Person(harness), []
        for text in (f"/sugar soft light {loras}", f"/settings --count 2 {loras}"):
            with pytest.raises(UnknownLora) as refused:
                await ann.say(text)
            refusals.append(refused.value.facts)
        assert refusals[0] == refusals[1]
        assert await ann.settings() == PersonSettings()


async def test_a_preset_takes_a_job_s_lora_that_is_for_another_chat(tmp_path: Path) -> None:
    club_only = replace(ANIME, name="club", sidecar=Sidecar(chats=frozenset({"telegram:-5"})))
    async with open_harness(tmp_path, rules=OPEN, shelf=Shelf({"club": club_only})) as harness:
        ann = Person(harness)
        club = Address(Platform.TELEGRAM, "-5", "1")
        job = await ann.say("/sugar a face --lora club", address=club, is_group=True)
        assert isinstance(job, Receipt)
        with pytest.raises(UnknownLora):
            await ann.say("/preset cosy --lora club")
        saved = await ann.say(f"/preset cosy --job {job.job_id}")
        assert isinstance(saved, PresetSaved)
        assert [wish.name for wish in saved.preset.options.loras] == ["club"]


async def test_a_preset_may_want_no_lora_or_the_chat_s_at_a_strength(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        for option in ("--lora none", "--weight 0.5", "--lora sugar --lora anime:0.5"):
            assert isinstance(await Person(harness).say(f"/preset cosy {option}"), PresetSaved)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("/preset new", MissingValue),
        ("/preset gone --delete", UnknownPreset),
        ("/sugar a --preset gone", UnknownPreset),
        ("/preset long " + "x" * MAX_PRESET_CHARS + " --count 2", PresetTooLong),
        ("/preset more --count 2", TooManyPresets),
    ],
)
async def test_presets_are_bounded(tmp_path: Path, text: str, error: type[PersonError]) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann = Person(harness)
        for number in range(MAX_PRESETS if error is TooManyPresets else 1):
            await ann.say(f"/preset name{number} --count 2")
        with pytest.raises(error):
            await ann.say(text)
        if error is TooManyPresets:
            await ann.say("/preset name3 --count 4")  # in place of another one
            with pytest.raises(NotInPublic):
                await ann.say("/preset", is_group=True)


async def test_an_answer_to_settings_and_presets_is_repeated_for_the_same_event(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann = Person(harness)
        for number, text in enumerate(
            [
                "/settings --count 2 --size 2:3",
                "/preset a --lips red --size 64x64",
                "/preset",
                "/preset a --delete",
            ]
        ):
            await harness.store.inbox.add("telegram", [(f"e{number}", "{}")], 1)
            context = ann.context(event_id=f"e{number}")
            answers = [await harness.desk.handle(parse(text), context) for _ in range(2)]
            assert answers[0] == answers[1]


def test_a_face_of_a_preset_fills_only_empty_slots() -> None:
    from bot.desk.asking.remembered import _with_preset

    merged = _with_preset(Draw("a", Face(lips="red")), Draw(face=Face(lips="plum", eyes="round")))
    assert merged.face == Face(lips="red", eyes="round")


async def test_the_first_request_of_a_run_knows_what_was_stored_before(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        await Person(harness).say("/settings --count 3")
        await Person(harness, "host").say("/preset a --count 2")
    async with open_harness(tmp_path, rules=OPEN) as harness:
        ann = Person(harness)
        ann.events = 10
        assert (await ann.draw("a face")).recipe.count == 3
    async with open_harness(tmp_path, rules=OPEN) as harness:
        host = Person(harness, "host")
        host.events = 20
        assert isinstance(await host.say("/preset a --delete"), PresetDeleted)
