"""What the desk's outcomes say."""

from dataclasses import replace
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw, Help, LoraWish, Scope
from bot.errors import NoCreditsLeft
from bot.messages import LOCALES, answers, format_error, format_outcome, working_on_it
from bot.outcomes import (
    AddStage,
    CancelAccepted,
    CreditBalance,
    ExportReady,
    FavouriteSet,
    HelpWithVocabulary,
    History,
    HistoryEntry,
    JobState,
    LinkCode,
    LinkConfirmation,
    Linked,
    LoraAdded,
    LoraAdding,
    LoraListing,
    LoraProblem,
    LoraState,
    LoraSummary,
    LoraSwitched,
    Note,
    Outcome,
    Platform,
    Receipt,
    Recipe,
    RecipeShown,
    Setting,
    SettingsRead,
    SizeChanged,
    UnknownWords,
    Unlinked,
)
from engine.demo.vocabulary import UnknownFeature
from engine.request import LoraChoice, TimeEstimate

RECIPE = Recipe(
    "a face " * 30, (LoraChoice("sugar", "0" * 64, 0.8),), 512, 768, 7, 2, 8, typed="a face " * 30
)
SUGAR = LoraSummary("sugar", {"en": "Sugar face", "zh-CN": "Sugar 面部"}, "Sugar面部", 0.8)
OUTCOMES: list[Outcome] = [
    Receipt("k3", RECIPE, 2, 38, 0),
    Receipt("k3", RECIPE, 2, 38, 3, TimeEstimate(40, 50), repeated=True),
    Receipt("k3", RECIPE, 2, 38, 0, notes=(SizeChanged("9:1", 192, 128), UnknownWords(("fox",), True))),
    CancelAccepted("k3", was_running=True),
    CancelAccepted("k3", was_running=False, refund=2),
    CreditBalance(38, 40, 1_800_000_000),
    LinkCode("K3F97QXM", 10),
    LinkConfirmation("K3F97QXM", Platform.DISCORD, "a member"),
    Linked((Platform.DISCORD, Platform.TELEGRAM), 12),
    Unlinked(Platform.TELEGRAM),
    History(()),
    History((HistoryEntry("k3", JobState.DONE, RECIPE),)),
    History((), hidden=2),
    History((), search="fox"),
    History((), only_favourites=True),
    History((), page=3),
    *(
        History((HistoryEntry("k3", JobState.DONE, RECIPE, missing=1, favourites=(0,)),), page=2, **facts)
        for facts in (
            {},
            {"search": "fox"},
            {"only_favourites": True},
            {"search": "fox", "only_favourites": True},
        )
    ),
    *(FavouriteSet("k3", index, on) for index in (None, 1) for on in (True, False)),
    RecipeShown("K3F97QXM2AWV", "/sugar a face"),
    *(RecipeShown("K3F97QXM2AWV", "/sugar a face", price=price) for price in (0, 2)),
    RecipeShown("K3F97QXM2AWV", "/sugar a face", gone=("sugar",)),
    SettingsRead("K3F97QXM2AWV", "/sugar a face"),
    SettingsRead("K3F97QXM2AWV", "/sugar a face", tuple((each, "7") for each in Setting), ("sugar",)),
    ExportReady((Path("a.zip"),), 3),
    ExportReady((Path("a.zip"), Path("b.zip")), 3, left_out=2, expired=1),
    LoraListing((), ""),
    LoraListing((SUGAR, LoraSummary("plain", {}, "", 1.0)), "sugar"),
    *(LoraSwitched(lora, 0.8, scope) for lora in ("sugar", "") for scope in Scope),
    Help(),
    HelpWithVocabulary(("round / smiling eyes", "no blush")),
]


def test_a_history_in_a_group_says_how_much_is_left_out_and_where_it_is() -> None:
    shown = HistoryEntry("k3", JobState.DONE, RECIPE)
    for history, lines in ((History((), hidden=2), 1), (History((shown,), hidden=2), 3)):
        message = format_outcome(history, "en").splitlines()
        assert len(message) == lines
        assert "2 of your jobs here" in message[-1]
        assert "Send me /mine in private" in message[-1]


def test_a_link_code_is_shown_as_it_is_typed() -> None:
    for outcome in (LinkCode("K3F97QXM", 10), LinkConfirmation("K3F97QXM", Platform.DISCORD, "a member")):
        assert "/link K3F9-7QXM" in format_outcome(outcome, "en")
        assert "/link K3F9-7QXM" in format_outcome(outcome, "zh-CN")


def test_a_recipe_names_its_price_before_it_is_drawn() -> None:
    for shown in (
        RecipeShown("K3F97QXM2AWV", "/sugar a", price=2),
        SettingsRead("K3F97QXM2AWV", "a", price=2),
    ):
        assert "takes 2 of your credits" in format_outcome(shown, "en")
        assert "/sugar K3F9-7QXM-2AWV --dry" in format_outcome(shown, "en")
        assert "2 点额度" in format_outcome(shown, "zh-CN")
    assert "this machine is yours" in format_outcome(RecipeShown("K3F97QXM2AWV", "/sugar a", price=0), "en")
    assert "credits" not in format_outcome(RecipeShown("K3F97QXM2AWV", "/sugar a"), "en")


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_every_outcome_has_a_sentence_in_both_languages(outcome: Outcome) -> None:
    message = {locale: format_outcome(outcome, locale) for locale in LOCALES}
    assert message["en"] != message["zh-CN"]
    for sentence in message.values():
        assert sentence.strip()
        assert "{" not in sentence
        assert len(sentence) <= 2000  # a Discord message


def test_every_outcome_has_one_formatter() -> None:
    kinds = (*answers._COUNTING_DOWN, *answers._WITH_TIMES, *answers._PLAIN)
    assert sorted(kind.__name__ for kind in kinds) == sorted(kind.__name__ for kind in get_args(Outcome))


def test_a_receipt_says_when_what_and_for_how_much() -> None:
    assert format_outcome(Receipt("k3", RECIPE, 2, 38, 1, TimeEstimate(11, 14)), "en").splitlines() == [
        "Got it! 1 ahead of you; yours starts in about 10–15 s.",
        "sugar 0.8 · 512 × 768 · seed 7 · 2 pictures",
        "Credits: 2 for this, 38 left.",
    ]
    assert format_outcome(Receipt("k3", RECIPE, 2, 38, 1, TimeEstimate(11, 14)), "zh-CN").splitlines() == [
        "收到！前面还有 1 个，大约 10–15 秒后轮到你。",
        "sugar 0.8 · 512 × 768 · 种子 7 · 2 张",
        "本次 2 点额度，还剩 38 点。",
    ]


@pytest.mark.parametrize(
    ("note", "english", "chinese"),
    [
        (
            SizeChanged("1000x1000", 992, 992),
            "This model can't draw exactly 1000x1000; the nearest size is 992 × 992.",
            "这个模型画不了正好 1000x1000 的图，最接近的尺寸是 992 × 992。",
        ),
        (
            UnknownFeature("green hair", ("black", "brown")),
            "The built-in model can't draw “green hair”, only: black, brown.",
            "内置模型画不出“green hair”，这里只会画：black、brown。",
        ),
        (
            UnknownWords(("hat", "sea"), is_all=False),
            "The built-in model doesn't know: hat, sea. /help lists what it knows.",
            "内置模型不认识：hat、sea。发送 /help 可以看它认识哪些词。",
        ),
        (
            UnknownWords(("fox",), is_all=True),
            "The built-in model draws faces and knows none of these words: fox. "
            "So it draws a random face; /help lists what it knows.",
            "内置模型只会画人脸，这些词都不认识：fox。这张脸会随机画；发送 /help 可以看它认识哪些词。",
        ),
    ],
)
def test_a_receipt_ends_with_what_is_drawn_otherwise(note: Note, english: str, chinese: str) -> None:
    receipt = Receipt("k3", RECIPE, 2, 38, 0, notes=(note,))
    assert format_outcome(receipt, "en").splitlines()[3:] == [english]
    assert format_outcome(receipt, "zh-CN").splitlines()[3:] == [chinese]


def test_a_renewal_is_written_as_the_platform_shows_times() -> None:
    credits = CreditBalance(38, 40, 1_800_000_000)
    assert format_outcome(credits, "en").endswith("at 2027-01-15 08:00 UTC.")
    assert format_outcome(credits, "en", times="discord").endswith("at <t:1800000000:f> (<t:1800000000:R>).")
    assert "2027-01-15 16:00 UTC+8" in format_outcome(credits, "zh-CN", times=ZoneInfo("Asia/Shanghai"))


def test_a_repeated_message_is_answered_with_its_first_job() -> None:
    assert "job k3" in format_outcome(Receipt("k3", RECIPE, 2, 38, 0, repeated=True), "en")


def test_the_shelf_shows_titles_triggers_and_the_default() -> None:
    lines = format_outcome(
        LoraListing((SUGAR, LoraSummary("plain", {}, "", 1.0)), "sugar"), "zh-CN"
    ).splitlines()
    assert lines[1] == "sugar · Sugar 面部 · 权重 0.8 · 触发词“Sugar面部” · 这里的默认"
    assert lines[2] == "plain · 权重 1"


@pytest.mark.parametrize("name", ["sugar", "faces/My LoRA v1.2", "Soft, warm (final)", "x y" * 33])
def test_what_the_shelf_says_to_type_means_that_lora(name: str) -> None:
    lora = LoraSummary(name, {}, "", 1.0)
    answers: list[Outcome] = [LoraListing((lora,), ""), LoraAdded(name, 1, "0" * 64, "file", 0.1)]
    for locale in LOCALES:
        for answer in answers:
            typed = "--lora" + format_outcome(answer, locale).rpartition("--lora")[2]
            assert parse(f"/sugar a face {typed}") == Draw("a face", loras=(LoraWish(name),))


def test_a_long_prompt_in_the_history_is_cut() -> None:
    message = format_outcome(History((HistoryEntry("k3", JobState.RUNNING, RECIPE),)), "en")
    assert "a face a face" in message
    assert "…" in message
    assert max(map(len, message.splitlines())) < 100


def test_a_large_shelf_fits_into_a_message() -> None:
    cards = tuple(
        LoraSummary(f"{number:03}" + "n" * 97, {"en": "A title " * 5}, "trigger", 1.0)
        for number in range(500)
    )
    for locale in LOCALES:
        assert len(format_outcome(LoraListing(cards, ""), locale)) <= 2000


@pytest.mark.parametrize("locale", LOCALES)
def test_progress_names_the_file_and_how_much_of_it_has_arrived(locale: str) -> None:
    half = LoraAdding("face", AddStage.DOWNLOAD, 5 * 2**19, 10 * 2**20)
    texts = {
        working_on_it(locale, each)
        for each in (
            None, half, replace(half, total_bytes=0), replace(half, stage=AddStage.CHECK),
            replace(half, stage=AddStage.TRIAL),
        )
    }  # fmt: skip
    assert len(texts) == 5
    assert all("face" in text for text in texts - {working_on_it(locale)})
    assert "2.5" in working_on_it(locale, half)
    assert "10" in working_on_it(locale, half)


def test_titles_and_reasons_are_cut_only_where_there_is_no_room() -> None:
    title, problem = "A title " * 9 + "to its end", LoraProblem("LoraPinBroken", {})
    lora = LoraSummary("face", {"en": title}, "", 1.0)
    refused = LoraSummary("other", {}, "", 1.0, state=LoraState.REFUSED, problem=problem)
    few = format_outcome(LoraListing((lora, refused), ""), "en")
    assert title in few
    assert "…" not in few
    many = format_outcome(LoraListing((*[lora] * 20, replace(lora, name="short", titles={})), ""), "en")
    assert many.count("…") == 20
    assert "\nshort · weight 1\n" in many
    assert len(many) <= 2000


@pytest.mark.parametrize("locale", LOCALES)
def test_discord_shows_moments_in_the_readers_own_time_zone(locale: str) -> None:
    moment = "<t:1800000000:f> (<t:1800000000:R>)"
    assert moment in format_outcome(CreditBalance(38, 40, 1_800_000_000), locale, times="discord")
    assert "UTC" in format_outcome(CreditBalance(38, 40, 1_800_000_000), locale)
    refusal = NoCreditsLeft(price=2, credits=1, renews_at_s=1_800_000_000)
    assert moment in format_error(refusal, locale, times="discord")
    assert "UTC" in format_error(refusal, locale)
