"""Comparisons, drafts and choices: typed in both languages, and from a menu's options."""

import pytest

from bot.commands.grammar import parse
from bot.commands.makers.sheets import adopt_of, compare_of
from bot.commands.values import Adopt, Command, Compare, Draft, Draw, LoraWish, PixelSize, Ratio
from bot.errors import BadPicture, BadSeed, BadWeight, EmptyPrompt, MissingValue, TooManyCells, UnknownFlag
from tests.unit.bot.commands.typed import refused

NONE, SUGAR, ANIME = LoraWish("none"), LoraWish("sugar"), LoraWish("anime")
THREE = Compare(("a girl",), (SUGAR, ANIME, NONE), (0.4, 0.8, 1.2))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/compare a girl --loras sugar,anime,none --weights 0.4,0.8,1.2", THREE),
        ("/compare a girl --loras sugar，anime、无 --weights 0.4, 0.8, 1.2", THREE),
        ("/compare --weights 0.4,0.8,1.2 --loras sugar,anime,none, a girl", THREE),
        ("/compare a girl --lora sugar --lora anime --lora none --weight ０.４，０.８，１.２", THREE),
        ("/compare a girl <lora:sugar> <lora:anime> <lora:none> --weights .4,.8,1.2", THREE),
        ("/对比 a girl --loras sugar,anime,none --权重 0.4,0.8,1.2", THREE),
        ("/對比 a girl --loras sugar,anime,none --權重 0.4,0.8,1.2", THREE),
        ("对比 a girl --loras sugar,anime,none --强度 0.4,0.8,1.2", THREE),
        ("/compare a girl --loras sugar:0.4,sugar:0.8",
         Compare(("a girl",), (LoraWish("sugar", 0.4), LoraWish("sugar", 0.8)))),
        ('/compare a girl --loras "a, b:0.5",sugar', Compare(("a girl",), (LoraWish("a, b", 0.5), SUGAR))),
        ("/compare a girl --seeds 1,2,3 --size 2:3 --private",
         Compare(("a girl",), seeds=(1, 2, 3), size=Ratio(2, 3), private=True)),
        ("/compare a girl --种子 1、2 --尺寸 512x768",
         Compare(("a girl",), seeds=(1, 2), size=PixelSize(512, 768))),
        ("/compare a girl | 一个男孩｜ {red|rose} lips | --loras sugar",
         Compare(("a girl", "一个男孩", "{red|rose} lips"), (SUGAR,))),
        ("/draft a girl --lora sugar:0.8 --seed 7 --size 1:1",
         Draft(Draw("a girl", loras=(LoraWish("sugar", 0.8),), seed=7, size=Ratio(1, 1)))),
        ("/草稿 一个女孩", Draft(Draw("一个女孩"))),
        ("草稿 一个女孩", Draft(Draw("一个女孩"))),
        ("/adopt 2", Adopt("", 1)),
        ("/adopt k3f9x 16", Adopt("k3f9x", 15)),
        ("/adopt 3 #k3f9x", Adopt("k3f9x", 2)),
        ("/选用 第二张", Adopt("", 1)),
        ("選用 2", Adopt("", 1)),
    ],
)  # fmt: skip
def test_what_is_typed_is_read(text: str, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize("text", ["对比 强烈的光影", "选用 柔和的光线来画一个女孩", "草图 一个女孩"])
def test_prose_stays_a_prompt(text: str) -> None:
    assert parse(text) == Draw(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("/compare --loras sugar,anime", EmptyPrompt),
        ("/compare | |", EmptyPrompt),
        ("/compare a girl --weights 0.4,much", BadWeight),
        ("/compare a girl --seeds 1,x", BadSeed),
        ("/compare a girl --weights", MissingValue),
        ("/compare a girl --loras sugar: --seeds 1,2", MissingValue),
        ("/compare a girl --seeds " + ",".join(map(str, range(17))), TooManyCells),
        ("/compare a girl --count 4", UnknownFlag),
        ("/draft a girl --count 4", UnknownFlag),
        ("/adopt", MissingValue),
        ("/adopt 17", BadPicture),
        ("/adopt 0", BadPicture),
        ("/adopt k3f9x", BadPicture),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, error: type[Exception]) -> None:
    refused(text, error)


def test_a_menu_gives_the_same_command_and_its_options_win() -> None:
    assert compare_of("a girl", loras="sugar, anime ,none", weights="0.4, 0.8,1.2") == THREE
    chosen = compare_of("a girl | a boy --seeds 9", loras="", seeds="1，2", size="2:3", private=False)
    assert chosen == Compare(("a girl", "a boy"), seeds=(1, 2), size=Ratio(2, 3), private=False)
    assert adopt_of(3, " #k3f9 ") == Adopt("k3f9", 2)
