"""A drawing → text → the same drawing."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bot.commands.grammar import draw_of, parse
from bot.commands.render import render
from bot.commands.values import Draw, Face, LoraWish, PixelSize, Ratio
from bot.errors import NotUnderstood
from engine.request import MAX_SEED

PIECES = st.sampled_from(
    [
        *(
            "--seed 7",
            "－－size ２：３",
            "—n",
            "比例 2:3",
            "种子",
            " 7",
            "<lora:a b:0.5>",
            "<lora:x>",
            "--lora a<b",
        ),
        *(
            "--skin ",
            '"a, --seed 7"',
            "“b「c”",
            "--lips 甜 妹",
            "-- ",
            "-n 4",
            "画 ",
            "/sugar ",
            "--weight -0.25",
        ),
        *(
            "--spoiler",
            "--不遮挡",
            "--公开",
            "--surprise",
            "--dry",
            "--no b, c",
            "--preset x",
            "--again",
            "--portrait",
            "--竖图 ",
            "比例 方图",
            "-tall",
            "—photo ",
        ),
        *("{a|b}", "｛红｜玫瑰｝", "--lips random", "__lips__", "\\{"),
        *("--private", '--lora "a, b:1"', "--", "-", ",", "，", " ", "面", "x"),
    ]
)


@settings(max_examples=400)
@example("/sugar -- -- x")
@example("种子 --seed 1 7 x")
@example("-<lora:x>-seed 7 y")
@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_what_was_read_reads_the_same_again(text: str) -> None:
    try:
        command = parse(text)
    except NotUnderstood:
        assume(False)
    assume(isinstance(command, Draw))
    assert isinstance(command, Draw)
    assert parse(render(command)) == command
    assert render(parse(render(command))) == render(command)  # type: ignore[arg-type]


@settings(max_examples=200)
@given(
    st.text(max_size=40),
    st.text(max_size=20),
    st.none() | st.integers(0, MAX_SEED),
    st.none() | st.integers(1, 4),
    st.none() | st.booleans(),
    st.none() | st.booleans(),
    st.none() | st.floats(-2, 2),
)
def test_what_was_chosen_reads_the_same_again(
    prompt: str,
    skin: str,
    seed: int | None,
    count: int | None,
    private: bool | None,
    spoiler: bool | None,
    weight: float | None,
) -> None:
    options = {"skin": skin, "seed": seed, "count": count, "weight": str(weight or "")}
    try:
        draw = draw_of(prompt, private=private, spoiler=spoiler, **options)  # type: ignore[arg-type]
    except NotUnderstood:
        assume(False)
    assert parse(render(draw)) == draw


@pytest.mark.parametrize(
    ("draw", "text"),
    [
        (Draw("甜妹"), "/sugar 甜妹"),
        (
            Draw(
                "甜妹",
                Face(skin="清透水光肌"),
                (LoraWish("sugar", 0.8), LoraWish("b")),
                Ratio(2, 3),
                7,
                2,
                True,
            ),
            "/sugar 甜妹 --skin 清透水光肌 --lora sugar:0.8 --lora b --size 2:3 --seed 7 -n 2 --private",
        ),
        (Draw("甜妹", size=PixelSize(512, 768)), "/sugar 甜妹 --size 512x768"),
        (Draw("", Face(skin="a, b")), '/sugar --skin "a, b"'),
        (Draw("about --seed 7", seed=8), "/sugar --seed 8 -- about --seed 7"),
        (
            Draw("x", loras=(LoraWish("my lora", 0.5), LoraWish("none"))),
            '/sugar x --lora "my lora:0.5" --lora none',
        ),
        (Draw("x", loras=(LoraWish("", 0.5),)), "/sugar x --weight 0.5"),
        (Draw("x", seed=0), "/sugar x --seed 0"),
        (Draw("about --steps 20"), "/sugar -- about --steps 20"),
        (Draw("about <lora:a>", seed=7), "/sugar --seed 7 -- about <lora:a>"),
        (Draw("x", count=1), "/sugar x -n 1"),
        (Draw("x", private=False, spoiler=True), "/sugar x --public --spoiler"),
        (Draw("x", private=True, spoiler=False), "/sugar x --private --no-spoiler"),
        (Draw("x", surprise=True, dry=True, again=True), "/sugar x --surprise --dry --again"),
        (Draw("", surprise=True), "/sugar --surprise"),
        (Draw("x", Face(lips="__lips__")), "/sugar x --lips __lips__"),
        (Draw("{a|b} --seed 7"), "/sugar -- {a|b} --seed 7"),
        (Draw("x", Face(lips="nude gloss")), "/sugar x --lips nude gloss"),
        (Draw("x", Face(lips="种子 7")), '/sugar x --lips "种子 7"'),
        (Draw("x", loras=(LoraWish("a", 0.0),)), "/sugar x --lora a:0"),
    ],
)
def test_the_text_is_the_shortest_that_says_it(draw: Draw, text: str) -> None:
    assert render(draw) == text
