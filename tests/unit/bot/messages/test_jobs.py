"""The messages about one job."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import ChooseFromSheet
from bot.messages import LOCALES, format_caption, format_error, format_outcome, format_status, text
from bot.messages.iterating.lineage import format_lineage
from bot.messages.jobs import AI_MARK, STATES
from bot.messages.sheets.words import format_adopt
from bot.outcomes import (
    Address,
    Axis,
    CancelAccepted,
    Deleted,
    Derivation,
    JobResult,
    JobState,
    Lineage,
    PictureFile,
    Platform,
    Recipe,
    Sheet,
    SheetAxis,
    SizeChanged,
    Status,
    UnknownWords,
)
from engine.demo.vocabulary import UnknownFeature
from engine.request import FailReason, LoraChoice, TimeEstimate

HERE = Address(Platform.CONSOLE, "console")
RECIPE = Recipe(
    *("a face", (LoraChoice("sugar", "0" * 64, 0.8),), 512, 768, 7, 2, 8), typed="a face", code="K3F97QXM2AWV"
)
PICTURES = (PictureFile(0, 7, Path("0.png")), PictureFile(1, 8, Path("1.png")))
DONE = JobResult(
    job_id="k3",
    address=HERE,
    user_id="1",
    user_name="a member",
    locale="en",
    private=False,
    state=JobState.DONE,
    recipe=RECIPE,
    pictures=PICTURES,
    price=2,
    refund=0,
    credits_left=11,
    seconds=6.43,
)
WAITS = Status("k3", HERE, "en", count=1, position=0)


def test_the_caption_of_a_picture_says_all_that_made_it() -> None:
    assert format_caption(DONE, "en") == (
        "sugar 0.8 · 512 × 768 · seed 7, 8 · recipe K3F9-7QXM-2AWV · 6.4 s · credits left: 11 · AI-generated"
    )
    assert format_caption(DONE, "zh-CN") == (
        "sugar 0.8 · 512 × 768 · 种子 7, 8 · 配方码 K3F9-7QXM-2AWV · 6.4 秒 · 剩余额度 11 · AI 生成"
    )


def test_a_picture_without_a_lora_says_so() -> None:
    assert format_caption(replace(DONE, recipe=replace(RECIPE, loras=())), "en").startswith("no LoRA · ")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_every_result_with_a_picture_has_the_ai_mark(state: JobState, locale: str) -> None:
    mark = text(AI_MARK, locale)
    assert mark in format_caption(replace(DONE, state=state, fail=FailReason.WORKER_ERROR), locale)
    assert mark not in format_caption(replace(DONE, state=JobState.FAILED, pictures=()), locale)


NOTES = (UnknownFeature("green hair", ("black",)), UnknownWords(("hat", "sea"), is_all=False))


def test_a_caption_names_what_the_model_did_not_know() -> None:
    captioned = replace(DONE, notes=NOTES)
    assert format_caption(captioned, "en").splitlines()[1:] == [
        "Not known to the built-in model: green hair, hat, sea."
    ]
    assert format_caption(captioned, "zh-CN").splitlines()[1:] == ["内置模型不认识：green hair、hat、sea。"]
    assert "Not known" not in format_caption(replace(captioned, state=JobState.FAILED, pictures=()), "en")
    assert "Not known" not in format_caption(replace(DONE, notes=(SizeChanged("9:1", 192, 128),)), "en")


def test_a_caption_says_which_other_size_was_asked_for() -> None:
    captioned = replace(DONE, notes=(SizeChanged("1000x1000", 992, 992),))
    assert format_caption(captioned, "en").splitlines()[1:] == [
        "This model can't draw exactly 1000x1000; the nearest size is 992 × 992."
    ]
    assert "1000x1000" not in format_caption(replace(captioned, state=JobState.FAILED, pictures=()), "en")


def test_the_owner_of_the_machine_reads_no_credits() -> None:
    free = replace(DONE, price=0)
    assert "credits" not in format_caption(free, "en")
    assert "额度" not in format_caption(free, "zh-CN")
    assert format_outcome(CancelAccepted("k3", was_running=False), "en") == "Job k3 is cancelled."
    stopping = CancelAccepted("k3", was_running=True, is_paid=False)
    assert format_outcome(stopping, "en") == "Stopping job k3 after its current step."
    assert "credits" not in format_outcome(Deleted("k3", is_paid=False), "en")


@pytest.mark.parametrize(("width_px", "said"), [(512, "alone"), (1024, "at 1024 × 768")])
def test_a_sheet_of_full_size_promises_no_larger_picture(width_px: int, said: str) -> None:
    cells = Sheet(False, None, SheetAxis(Axis.SEED, ("7", "8")), (0, 1), (), width_px, 768)
    sheet = replace(RECIPE, sheet=cells)
    assert f"I draw that picture {said};" in format_adopt("k3", sheet, "en")


@pytest.mark.parametrize("state", [JobState.DONE, JobState.CANCELLED, JobState.FAILED])
def test_a_result_is_never_an_empty_message(state: JobState) -> None:
    assert format_caption(replace(DONE, state=state, pictures=(), price=0), "en")


def test_a_failed_job_says_why_and_what_came_back() -> None:
    failed = replace(
        DONE, state=JobState.FAILED, fail=FailReason.OUT_OF_MEMORY, pictures=(), refund=2, credits_left=13
    )
    assert format_caption(failed, "en").splitlines() == [
        "The card ran out of memory. Try a smaller size or fewer pictures. Credits refunded: 2.",
        "credits left: 13",
    ]
    assert format_caption(failed, "zh-CN").startswith(
        "显存不够，没能画出来。换小一点的尺寸，或少画几张试试。已退回 2 点额度。\n"
    )


def test_a_cancelled_job_says_what_was_drawn_before() -> None:
    message = format_caption(replace(DONE, state=JobState.CANCELLED, pictures=PICTURES[:1], refund=1), "en")
    assert message.startswith("Cancelled. Drawn before that: 1 of 2. Credits refunded: 1.\nsugar 0.8 · ")


def test_a_caption_says_which_pictures_are_no_longer_there() -> None:
    caption = format_caption(replace(DONE, pictures=PICTURES[:1], missing=1), "en")
    assert caption.startswith(
        "1 of 2 pictures are no longer on the host's disk. "
        "Draw them again with the same prompt and seed.\nsugar"
    )
    none_left = format_caption(replace(DONE, pictures=(), missing=2), "zh-CN")
    assert none_left == ("2 张图里有 2 张已不在主机的磁盘上；用同样的提示词和种子可以再画一次。\n剩余额度 11")


@pytest.mark.parametrize("locale", LOCALES)
def test_a_picture_of_a_sheet_is_not_promised_larger_where_all_are_as_large_as_whole_ones(
    locale: str,
) -> None:
    """The model may draw nothing smaller; the caption and ``format_adopt`` name the size."""
    lineage = Lineage(Derivation.FINAL, "k3", 1)
    said = (format_lineage(lineage, locale), format_error(ChooseFromSheet(job_id="k3"), locale))
    assert not [each for each in said if re.search("large|大图|大圖", each)]
    assert all("2" in each and "k3" in each for each in said)
    if locale == "en":
        assert said[1] == "Job k3 is a sheet. “/adopt k3 2” draws its picture 2 alone, at full size."


def test_a_deleted_job_says_only_that() -> None:
    deleted = replace(DONE, state=JobState.CANCELLED, pictures=(), refund=1, is_deleted=True)
    assert format_caption(deleted, "en") == "Job k3 is deleted; nothing more comes of it."
    assert format_caption(deleted, "zh-CN") == "任务 k3 已删除，不会再有结果。"


def test_a_caption_fits_where_captions_are_short() -> None:
    long = replace(RECIPE, loras=tuple(LoraChoice("x" * 200, "0" * 64, 0.8) for _ in range(4)), count=4)
    pictures = tuple(PictureFile(index, 2**32 - 1, Path("x")) for index in range(4))
    notes = (UnknownFeature("x" * 24, ()),) * 4
    notes += (UnknownWords(("y" * 24,) * 4, is_all=False),)
    longest = replace(DONE, recipe=long, pictures=pictures, notes=notes)
    assert len(format_caption(longest, "en")) <= 1024  # Telegram's caption


@pytest.mark.parametrize(
    ("given", "english", "chinese"),
    [
        (WAITS, "You are next.", "下一个就是你。"),
        (
            replace(WAITS, wait=TimeEstimate(31, 44)),
            "You are next; yours starts in about 30–45 s.",
            "下一个就是你，大约 30–45 秒后开始。",
        ),
        (replace(WAITS, position=3), "3 ahead of you.", "前面还有 3 个。"),
        (
            replace(WAITS, position=3, wait=TimeEstimate(170, 200)),
            "3 ahead of you; yours starts in about 3 min.",
            "前面还有 3 个，大约 3 分钟后轮到你。",
        ),
        (replace(WAITS, wait=TimeEstimate(0.0, 0.4)), "You are next.", "下一个就是你。"),
        (
            replace(WAITS, is_loading=True),
            "You are next; I'll start as soon as the model is loaded.",
            "下一个就是你，模型加载好就开始。",
        ),
        (
            replace(WAITS, position=3, is_loading=True),
            "3 ahead of you; the model is still loading.",
            "前面还有 3 个，模型还在加载。",
        ),
        (
            replace(WAITS, position=None, is_loading=True, steps=8),
            "You are next; I'll start as soon as the model is loaded.",
            "下一个就是你，模型加载好就开始。",
        ),
        (
            replace(WAITS, position=None, is_loading=True, step=1, steps=8),
            "Drawing: step 1 of 8",
            "正在画：第 1 / 8 步",
        ),
        (replace(WAITS, position=None), "Drawing now…", "开始画了……"),
        (replace(WAITS, position=None, step=3, steps=8), "Drawing: step 3 of 8", "正在画：第 3 / 8 步"),
        (
            replace(WAITS, position=None, count=4, index=1, step=3, steps=8),
            "Drawing picture 2 of 4: step 3 of 8",
            "正在画第 2 张，共 4 张：第 3 / 8 步",
        ),
    ],
)
def test_a_status_has_position_wait_and_progress_in_words(given: Status, english: str, chinese: str) -> None:
    assert format_status(given, "en") == english
    assert format_status(given, "zh-CN") == chinese


def test_every_state_has_a_word() -> None:
    assert set(STATES) == set(JobState)
