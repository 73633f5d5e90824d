"""What people read about their settings, presets and chats, and about alternatives and trials."""

import pytest

from bot.commands.prompts.advice import AdviceKind
from bot.commands.values import ChatProfile, Draw, LoraWish, PersonSettings, PixelSize, Ratio
from bot.messages import LOCALES, format_outcome
from bot.messages.asking.answers import ADVICE, PRESET_CHARS, format_asking_note
from bot.messages.jobs import MAX_CHOICES_CHARS, format_choices
from bot.outcomes import (
    Advice,
    DefaultSkipped,
    DryRun,
    FromDefaults,
    PresetDeleted,
    PresetList,
    PresetSaved,
    ProfileShown,
    Recipe,
    SavedPreset,
    SettingsShown,
    SizeLimited,
)
from engine.request import TimeEstimate

OPTIONS = Draw(loras=(LoraWish("sugar", 0.8),), size=Ratio(2, 3), count=2, private=False, spoiler=True)
COSY = SavedPreset("cosy", Draw("soft light, " * 40 + "warm", size=PixelSize(512, 768)))


def test_settings_are_one_line_to_read_in_the_language_that_was_chosen() -> None:
    shown = format_outcome(SettingsShown(PersonSettings(OPTIONS, advice=False), is_changed=True), "en")
    assert shown.splitlines()[:2] == [
        "Saved. Your settings:",
        "LoRA: sugar 0.8 · size: 2:3 · count: 2 · private: no · spoiler: yes · language: auto · advice: no",
    ]
    chosen = format_outcome(SettingsShown(PersonSettings(OPTIONS, "zh-TW")), "en")
    assert "尺寸：2:3 · 張數：2 · 私密：否 · 劇透：是" in chosen


@pytest.mark.parametrize("locale", LOCALES)
def test_every_answer_is_short_and_in_one_language(locale: str) -> None:
    outcomes = [
        SettingsShown(PersonSettings()),
        PresetList((), 20),
        PresetList(20 * (COSY,), 20),
        PresetSaved(COSY, is_new=True),
        PresetSaved(COSY, is_new=False),
        PresetDeleted("cosy"),
        ProfileShown(ChatProfile(), ""),
        ProfileShown(ChatProfile(("sugar", "anime"), PixelSize(512, 512), "en"), "sugar", is_changed=True),
    ]
    notes = [FromDefaults(("lora", "size"), "cosy"), DefaultSkipped("x"), SizeLimited(64, 96)]
    notes += [Advice(kind) for kind in ADVICE]
    for message in [
        *(format_outcome(outcome, locale) for outcome in outcomes),
        *(format_asking_note(note, locale) for note in notes),
    ]:
        assert 0 < len(message) <= 2000  # one message of Discord
        assert ("，" in message or "。" in message or "：" in message) is (locale != "en")
        assert "{" not in message


def test_a_long_preset_is_cut_in_a_list() -> None:
    [_, line, _] = format_outcome(PresetList((COSY,), 20), "en").splitlines()
    assert len(line) <= len("cosy: ") + PRESET_CHARS


def test_every_advice_has_a_sentence_but_that_on_faces_which_names_them() -> None:
    assert set(ADVICE) == set(AdviceKind) - {AdviceKind.FACES}


RECIPE = Recipe(
    "red lips", (), 64, 64, seed=7, count=2, steps=8, typed="{red|rose} lips{|, smiling}",
    prompts=("red lips", "rose lips, smiling"),
)  # fmt: skip


def test_a_caption_says_which_alternatives_each_picture_has() -> None:
    choices = [RECIPE.choices_of(index) for index in (0, 1)]
    shown = format_choices(RECIPE, [0, 1], "en")
    for number, (first, second) in enumerate(choices, 1):
        assert f"{number}: {first}, {second or '–'}" in shown
    assert format_choices(RECIPE.alone(0), [0], "en") == ""
    many = "{" + "x" * 60 + "|" + "y" * 60 + "}"
    long = Recipe("p", (), 64, 64, 7, 4, 8, typed=many * 9, prompts=("a", "b", "c", "d"))
    assert len(format_choices(long, range(4), "zh-CN")) <= MAX_CHOICES_CHARS + 10


def test_a_trial_shows_price_wait_and_each_final_prompt_in_one_message() -> None:
    long = Recipe("p", (), 64, 64, 7, 4, 8, typed="{a|b}", prompts=tuple(letter * 3_000 for letter in "abcd"))
    for locale in LOCALES:
        dry = DryRun(long, 4, 36, 2, None, is_loading=False, loading_s=None, notes=())
        message = format_outcome(dry, locale)
        assert len(message) <= 2000
        assert [line[:4] for line in message.splitlines()[-4:]] == ["1: a", "2: b", "3: c", "4: d"]
    plain = Recipe("a face", (), 64, 64, 7, 1, 8, typed="a face")
    dry = DryRun(plain, 1, 39, 0, None, is_loading=False, loading_s=None, notes=())
    assert format_outcome(dry, "en").splitlines()[-1] == "Final prompt: a face"


@pytest.mark.parametrize(
    ("position", "wait", "loading", "said"),
    [
        (0, None, None, "A real job would be next."),
        (2, None, None, "2 ahead of you."),
        (2, TimeEstimate(60.0, 60.0), None, "A real job would start in about 60 s. 2 ahead of you."),
        (0, None, 0.0, "A real job would start as soon as the model is loaded."),
        (1, None, 8.2, "A real job would start once the model is loaded, in about 9 s. 1 ahead of you."),
    ],
)
def test_a_trial_promises_no_start(
    position: int, wait: TimeEstimate | None, loading: float | None, said: str
) -> None:
    recipe = Recipe("a face", (), 64, 64, 7, 1, 8, typed="a face")
    is_loading = loading is not None
    dry = DryRun(recipe, 1, 39, position, wait, is_loading=is_loading, loading_s=loading or None, notes=())
    first = format_outcome(dry, "en").splitlines()[0]
    assert first == f"A trial: nothing is drawn or charged. {said}"
    assert "真画的话" in format_outcome(dry, "zh-CN") or said == "2 ahead of you."
