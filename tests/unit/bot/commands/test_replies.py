"""A reply to a picture changes what it says, keeps the rest, and can still be any other command."""

import pytest

from bot.commands.grammar import parse, parse_reply
from bot.commands.render import render
from bot.commands.values import Command, Draw, Face, LoraWish, Mine, PixelSize, Ratio
from bot.errors import BadSeed, PersonError, UnknownCommand

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


@pytest.mark.parametrize(("text", "error"), [("--seed x", BadSeed), ("/sugr a", UnknownCommand)])
def test_a_reply_is_refused_like_any_other_text(text: str, error: type[PersonError]) -> None:
    with pytest.raises(error):
        parse_reply(text, BASE)


def test_a_reply_without_changes_is_the_drawing_itself() -> None:
    assert parse_reply(render(BASE), BASE) == BASE
    assert parse(render(BASE)) == BASE
