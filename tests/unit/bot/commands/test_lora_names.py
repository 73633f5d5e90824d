"""Names of LoRAs as people download them: with capitals, spaces, dots, commas and subfolders."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bot.commands.grammar import draw_of, parse
from bot.commands.render import render
from bot.commands.values import (
    Draw,
    LoraAllow,
    LoraInfo,
    LoraRemove,
    LoraRevoke,
    LoraSwitch,
    LoraWish,
    Scope,
)
from engine.errors import LoraNameRefused
from engine.shelf.names import require_name

PIECES = st.sampled_from(
    ["My LoRA v1.2", " ", ".", "/", "--seed 7", "-n 4", "--", "-v2", "(soft)", ",", "，", "“", "”", "种子 7",
     "'", "权重", "一", "x", "lora", "0.8", "#1", "@all", "*_`~|", "&amp;", "é", "👩‍🎨", "=", "\u200d", "「"]
)  # fmt: skip
NAMES = st.lists(PIECES | st.text(max_size=6), min_size=1, max_size=6).map("".join)
WEIGHTS = st.none() | st.integers(-2000, 2000).map(lambda thousandths: thousandths / 1000)


def named(name: str) -> str:
    try:
        require_name(name)
    except LoraNameRefused:
        assume(False)
    return name


@settings(max_examples=400)
@example("My LoRA v1.2", 0.8)
@example("faces/2024/Soft, warm (final)", None)
@example("-n", 1.0)
@example("“a” b", None)
@given(NAMES, WEIGHTS)
def test_every_name_of_the_shelf_can_be_typed(name: str, weight: float | None) -> None:
    named(name)
    wish, behind = LoraWish(name, weight), "" if weight is None else f":{weight:g}"
    draw = Draw("a face", loras=(wish,))
    assert parse(render(draw)) == draw
    assert parse(f'/sugar a face --lora "{name}{behind}"') == draw
    assert parse(f"/sugar a face <lora:{name}{behind}>") == draw
    assert draw_of("a face", lora=f'"{name}"{behind}') == draw
    typed = f'"{name}"' if weight is None else f'"{name}" {weight:g}'
    assert parse(f"/lora switch {typed} --everywhere") == LoraSwitch(wish, Scope.BOT)
    for word, command in (("info", LoraInfo), ("remove", LoraRemove)):
        assert parse(f'/lora {word} "{name}"') == command(name)
    assert parse(f'/lora allow "{name}" --person discord:1') == LoraAllow(name, "discord:1", "")
    assert parse(f'/lora revoke "{name}" --chat here') == LoraRevoke(name, "", "here")


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("/lora switch My LoRA v1.2 0.8", LoraWish("My LoRA v1.2", 0.8)),
        ("/lora switch My LoRA v1.2", LoraWish("My LoRA v1.2")),
        ("/lora switch faces/Sugar 0.8", LoraWish("faces/Sugar", 0.8)),
        ('/lora switch "Style 2"', LoraWish("Style 2")),
        ('/lora switch "Style 2" 0.8', LoraWish("Style 2", 0.8)),
        ('/lora switch "Style 2:0.8"', LoraWish("Style 2", 0.8)),
        ("/lora switch 「风格 2」 0.8 --这里", LoraWish("风格 2", 0.8)),
    ],
)
def test_a_switch_takes_such_names_without_quotes_where_nothing_else_is_meant(
    text: str, wish: LoraWish
) -> None:
    assert parse(text) == LoraSwitch(wish, Scope.CHAT)


def test_a_menu_takes_several_loras_and_names_with_commas() -> None:
    draw = draw_of("a face", lora='My LoRA v1.2:0.8, "Soft, warm", x')
    assert draw.loras == (LoraWish("My LoRA v1.2", 0.8), LoraWish("Soft, warm"), LoraWish("x"))
