"""A reply to a picture changes what it says, keeps the rest, and can still be any other command."""

import pytest

from bot.commands.grammar import parse, parse_about, parse_reply
from bot.commands.render import render
from bot.commands.values import (
    Adopt,
    Cancel,
    Command,
    Delete,
    Draw,
    Enlarge,
    Face,
    Favourite,
    LoraWish,
    Mine,
    Original,
    PixelSize,
    Publish,
    Ratio,
    ShowRecipe,
    Vary,
)
from bot.errors import BadSeed, EmptyPrompt, MissingValue, PersonError, UnknownCommand

BASE = Draw("a fox", loras=(LoraWish("sugar", 0.8),), size=PixelSize(512, 768), seed=7, count=2, private=True)


def base(**changes: object) -> Draw:
    values = {name: getattr(BASE, name) for name in Draw.__slots__} | changes
    return Draw(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a hare", base(prompt="a hare")),
        ("--seed 9", base(seed=9)),
        ("种子 9 张数 1", base(seed=9, count=1)),
        ("/sugar --size 2:3 a hare", base(prompt="a hare", size=Ratio(2, 3))),
        ("/sugar@sugar_bot --seed 9", base(seed=9)),
        ("/画 一只兔子", base(prompt="一只兔子")),
        ("/画一只兔子", base(prompt="一只兔子")),
        ("画 一只兔子", base(prompt="一只兔子")),
        ("--lora anime", base(loras=(LoraWish("anime"),))),
        ("--lora none", base(loras=(LoraWish("none"),))),
        ("--weight 1.2", base(loras=(LoraWish("sugar", 1.2),))),
        ("--lips red", base(face=Face(lips="red"))),
        ("--no-private --spoiler", base(private=False, spoiler=True)),
        ("/mine", Mine()),
    ],
)
def test_a_reply_changes_only_what_it_says(text: str, expected: Command) -> None:
    assert parse_reply(text, BASE) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [("--seed x", BadSeed), ("/sugr a", UnknownCommand), ("/draft", EmptyPrompt), ("/compare", EmptyPrompt)],
)
def test_a_reply_is_refused_like_any_other_text(text: str, error: type[PersonError]) -> None:
    with pytest.raises(error):
        parse_reply(text, BASE)


def test_a_reply_without_changes_is_the_drawing_itself() -> None:
    assert parse_reply(render(BASE), BASE) == BASE
    assert parse(render(BASE)) == BASE


JOB = "0abcdefghjkmnpqr"


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("/favourite", 1, Favourite(JOB, 1)),
        ("/favourite --off", None, Favourite(JOB, None, on=False)),
        ("/favourite 3", 1, Favourite(JOB, 2)),
        ("收藏", 1, Favourite(JOB, 1)),
        ("/recipe", 1, ShowRecipe(job_id=JOB)),
        ("配方", None, ShowRecipe(job_id=JOB)),
        ("/recipe K3F9-7QXM-2AWV", 1, parse("/recipe K3F9-7QXM-2AWV")),
        ("/vary --strong", 2, Vary(JOB, 2, strong=True)),
        ("/变化 2", None, Vary(JOB, 1)),
        ("/larger@sugar_bot", 3, Enlarge(JOB, 3)),
        ("/original", 0, Original(JOB)),
        ("/delete", 0, Delete(JOB)),
        ("/publish", None, Publish(JOB)),
        ("/cancel", None, Cancel(JOB)),
        ("/adopt 3", 4, Adopt(JOB, 2)),
        ("/delete k3f9", 0, Delete("k3f9")),
        ("/larger k3f9 2", 0, Enlarge("k3f9", 1)),
        ("/mine", 0, Mine()),
        ("a hare", 0, Draw("a hare")),
        ("删除背景里的人", 0, Draw("删除背景里的人")),
    ],
)
def test_a_command_without_a_job_is_about_the_picture_that_it_replies_to(
    text: str, index: int | None, expected: Command
) -> None:
    assert parse_about(text, JOB, index) == expected


@pytest.mark.parametrize(("text", "error"), [("--seed 9", EmptyPrompt), ("/adopt", MissingValue)])
def test_what_lacks_more_than_its_job_is_refused(text: str, error: type[PersonError]) -> None:
    with pytest.raises(error):
        parse_about(text, JOB, 0)
