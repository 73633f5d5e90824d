"""What people write instead of the documented form: understood where the meaning is clear, else refused."""

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Cancel, Draw, LoraList, LoraSwitch, LoraWish, Mine, Quota, Ratio, Scope
from bot.errors import (
    BadCount,
    BadSeed,
    BadSize,
    BadWeight,
    FixedSteps,
    MissingValue,
    NoGuidance,
    UnknownCommand,
    UnknownFlag,
)
from tests.unit.bot.commands.typed import drawn, refused

SUGAR = (LoraWish("sugar", 0.8),)


@pytest.mark.parametrize(
    "flag",
    ["--lora sugar 0.8", "--lora=sugar 0.8", "--lora：sugar　０．８", '--lora "sugar" 0.8', "-lora sugar 0.8",
     "—lora sugar 0.8", "——lora sugar 0.8", "－－lora sugar 0.8", "－lora sugar:0.8", "--风格 sugar 0.8",
     "--風格 sugar：０.８"],
)  # fmt: skip
def test_a_weight_behind_the_name_is_the_lora_s(flag: str) -> None:
    assert parse(f"a face {flag}") == Draw("a face", loras=SUGAR)
    assert parse(f"{flag}, a face") == Draw("a face", loras=SUGAR)
    assert parse(f"a face {flag} --seed 7") == Draw("a face", loras=SUGAR, seed=7)
    assert parse(f"a face {flag} -n 2") == Draw("a face", loras=SUGAR, count=2)


def test_a_fraction_behind_a_name_is_a_weight_and_a_whole_number_only_where_nothing_follows() -> None:
    assert parse("--lora sugar 0.8 a face") == Draw("a face", loras=SUGAR)
    assert parse("--lora sugar 1, a face") == Draw("a face", loras=(LoraWish("sugar", 1.0),))
    assert parse("a face --lora sugar 1") == Draw("a face", loras=(LoraWish("sugar", 1.0),))
    assert parse("--lora sugar 2 girls") == Draw("2 girls", loras=(LoraWish("sugar"),))
    assert parse("--lora sugar 1girl") == Draw("1girl", loras=(LoraWish("sugar"),))
    assert parse("--lora sugar:0.5 0.8 x") == Draw("0.8 x", loras=(LoraWish("sugar", 0.5),))
    assert refused("a face --lora sugar 8", BadWeight)["text"] == "8"


@pytest.mark.parametrize(
    ("text", "prompt", "joined"),
    [
        ("a face --lora sugar,anime", "a face,anime", ("anime",)),
        ("a face --lora sugar，动漫、写实 --seed 7", "a face，动漫、写实", ("动漫", "写实")),
        ("a face --lora sugar 0.8,anime：0.3 in rain", "a face,anime：0.3 in rain", ("anime：0.3",)),
        ("a face --lora sugar:0.8, anime:0.3", "a face, anime:0.3", ("anime:0.3",)),
        ('--lora "sugar","Soft, warm" a face', '"Soft, warm" a face', ('"Soft, warm"',)),
        ("--lora sugar，一个女孩，红唇", "一个女孩，红唇", ("一个女孩", "红唇")),
        ("--lora sugar, a girl in rain", "a girl in rain", ()),
        ("--lora sugar, anime", "anime", ()),
        ("a face --lora sugar,--seed 7", "a face", ()),
        ("a face --lora sugar;anime", "a face;anime", ()),
    ],
)
def test_what_a_comma_joins_to_a_lora_stays_prompt_and_is_noted(
    text: str, prompt: str, joined: tuple[str, ...]
) -> None:
    draw = drawn(text)
    assert (draw.prompt, [wish.name for wish in draw.loras]) == (prompt, ["sugar"])
    assert draw.loras[0].joined == joined


@pytest.mark.parametrize(
    ("text", "draw"),
    [
        ("脸 張數 4", Draw("脸", count=4)),
        ("脸 張數4張", Draw("脸", count=4)),
        ("脸 數量：２", Draw("脸", count=2)),
        ("脸 種子 7", Draw("脸", seed=7)),
        ("脸 --隨機種子 7", Draw("脸", seed=7)),
        ("脸 權重 0.5", Draw("脸", loras=(LoraWish("", 0.5),))),
        ("脸 強度 0.5", Draw("脸", loras=(LoraWish("", 0.5),))),
        ("脸 比例 2:3", Draw("脸", size=Ratio(2, 3))),
        ("脸 --僅自己", Draw("脸", private=True)),
        ("脸 --lora 無", Draw("脸", loras=(LoraWish("none"),))),
        ("/畫 脸", Draw("脸")),
        ("/畫圖一个女孩", Draw("一个女孩")),
        ("畫圖 脸", Draw("脸")),
        ("/額度", Quota()),
        ("我的圖", Mine()),
        ("取消任務 k3f9", Cancel("k3f9")),
        ("lora列表", LoraList()),
        ("換lora sugar", LoraSwitch(LoraWish("sugar"))),
        ("/lora 切換 sugar --這裡", LoraSwitch(LoraWish("sugar"), Scope.CHAT)),
    ],
)
def test_traditional_words_are_read_like_simplified_ones(text: str, draw: object) -> None:
    assert parse(text) == draw


def test_traditional_face_slots_are_read() -> None:
    face = drawn("脸 --膚質 水光 --腮紅 蜜桃 --唇妝 裸粉 --眼神 慵懒 --睫毛 细碎").face
    assert (face.skin, face.blush, face.lips, face.eyes, face.lashes) == (
        "水光",
        "蜜桃",
        "裸粉",
        "慵懒",
        "细碎",
    )


@pytest.mark.parametrize(
    ("text", "draw"),
    [
        ("脸 张数 两", Draw("脸", count=2)),
        ("脸 张数：三张", Draw("脸", count=3)),
        ("脸 比例 三比四", Draw("脸", size=Ratio(3, 4))),
        ("脸 比例 十六比九", Draw("脸", size=Ratio(16, 9))),
        ("脸 --尺寸 九：十六", Draw("脸", size=Ratio(9, 16))),
        ("脸 --张数 四", Draw("脸", count=4)),
        ("脸 种子 七", Draw("脸", seed=7)),
        ("脸 种子 二十一", Draw("脸", seed=21)),
    ],
)
def test_chinese_numerals_are_numbers(text: str, draw: Draw) -> None:
    assert parse(text) == draw


@pytest.mark.parametrize(
    ("text", "error", "typed"),
    [
        ("脸 张数 零", BadCount, "零"),
        ("脸，张数 零", BadCount, "零"),
        ("脸 張數 零張", BadCount, "零張"),
        ("脸 张数 十", BadCount, "十"),
        ("脸 张数 abc", BadCount, "abc"),
        ("脸 种子 abc", BadSeed, "abc"),
        ("种子：abc，脸", BadSeed, "abc"),
        ("脸 种子 abc --size 2:3", BadSeed, "abc"),
        ("脸 权重 high", BadWeight, "high"),
        ("脸 尺寸 large", BadSize, "large"),
        ("脸 种子 -1", BadSeed, "-1"),
        ("脸 比例 三比零", BadSize, "三比零"),
    ],
)
def test_a_chinese_option_with_a_wrong_value_is_refused(text: str, error: type[BadCount], typed: str) -> None:
    assert refused(text, error)["text"] == typed


@pytest.mark.parametrize(
    "prose",
    ["一颗种子 abc", "种子 sprouting in her hand", "种子 发芽", "张数 很多", "张数 两只猫", "比例 三分之一",
     "权重很高", "a girl -smiling", "a girl -lora-like", "well -known", "girl —smiling softly",
     "a—lora sugar", "少女 ——眼神忧郁", "少女—眼神 忧郁", "a -- b", "比例 黄金分割", "a face—no 2"],
)  # fmt: skip
def test_prose_stays_prose(prose: str) -> None:
    assert parse(prose) == Draw(prose)


@pytest.mark.parametrize(
    ("text", "draw"),
    [
        ("脸 ——尺寸 2:3", Draw("脸", size=Ratio(2, 3))),
        ("脸 —张数 2", Draw("脸", count=2)),
        ("脸 -种子 7", Draw("脸", seed=7)),
        ("脸 －种子７", Draw("脸", seed=7)),
        ("脸 ——私密", Draw("脸", private=True)),
        ("a face —private", Draw("a face", private=True)),
        ("a face -size 2:3 -seed 7", Draw("a face", size=Ratio(2, 3), seed=7)),
        ("a face –seed=7", Draw("a face", seed=7)),
    ],
)
def test_dashes_of_phones_and_single_ones_count(text: str, draw: Draw) -> None:
    assert parse(text) == draw


def test_a_chinese_face_slot_behind_a_long_dash_needs_a_gap_on_both_sides() -> None:
    draw = drawn("脸 ——眼神 含笑，甜妹")
    assert (draw.prompt, draw.face.eyes) == ("脸, 甜妹" if "," in draw.prompt else "脸，甜妹", "含笑")


@pytest.mark.parametrize(
    ("text", "error", "flag"),
    [
        ("a face --steps 20", FixedSteps, "--steps"),
        ("a face --step=4", FixedSteps, "--step"),
        ("脸 --步数 20", FixedSteps, "--步数"),
        ("脸 --步數20", FixedSteps, "--步數"),
        ("a face —steps 20", FixedSteps, "—steps"),
        ("a face -steps 20", FixedSteps, "-steps"),
        ("a face --cfg 7", NoGuidance, "--cfg"),
        ("a face --guidance 3.5", NoGuidance, "--guidance"),
    ],
)
def test_an_option_that_the_model_does_not_have_is_explained(
    text: str, error: type[UnknownFlag], flag: str
) -> None:
    assert refused(text, error)["flag"] == flag


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("a face —sise 2:3", "--size"),
        ("a face —sed 7", "--seed"),
        ("a face -sise 2:3", "--size"),
        ("a face --aspekt 2:3", "--aspect"),
        ("a face -s 7", "--seed"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest_whatever_its_dash(text: str, nearest: str) -> None:
    assert nearest in refused(text, UnknownFlag)["nearest"]  # type: ignore[operator]


def test_suggestions_are_whole_words_in_simplified_characters_each_once() -> None:
    assert sorted(refused("脸 --唇裝 红", UnknownFlag)["nearest"]) == ["--唇妆", "--唇部", "--嘴唇"]  # type: ignore[call-overload]
    assert refused("a face --nn 7", UnknownFlag)["nearest"] == ()
    assert refused("a face -s 7", UnknownFlag)["nearest"] == ("--size", "--seed", "--spoiler")


@pytest.mark.parametrize("text", ["a face --xyz 1", "a face --q 2", "脸 --天气 晴"])
def test_what_is_like_nothing_gets_no_suggestion(text: str) -> None:
    assert refused(text, UnknownFlag)["nearest"] == ()


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("/sugr a face", ("/sugar",)),
        ("/SUGER", ("/sugar",)),
        ("/drw a face", ("/draw",)),
        ("/quotas", ("/quota",)),
        ("/lora swich x", ("/lora switch",)),
        ("/lora_swich x", ("/lora switch",)),
        ("/lorras", ("/loras",)),
        ("/额渡", ("/额度",)),
        ("/xyz", ()),
        ("/weather", ()),
        ("/天气", ()),
    ],
)
def test_the_nearest_command_is_shown_with_its_slash(text: str, nearest: tuple[str, ...]) -> None:
    found = refused(text, UnknownCommand)["nearest"]
    assert isinstance(found, tuple)
    assert found[:1] == nearest


def test_the_longest_draw_word_is_read_first() -> None:
    assert parse("/画图一个女孩") == Draw("一个女孩")
    assert parse("/画一个女孩") == Draw("一个女孩")


@pytest.mark.parametrize("text", ["x --lora", "x —lora", "x -lora", "脸 --风格", "x --lora sugar:"])
def test_a_lora_without_a_name_or_weight_is_incomplete(text: str) -> None:
    refused(text, MissingValue)


@pytest.mark.parametrize(
    ("text", "prompt", "negative"),
    [
        ("a face --no hat, ugly, deformed", "a face", "hat, ugly, deformed"),
        ("a face --negative ugly, blurry --seed 7", "a face", "ugly, blurry"),
        ('--no "hat, cap" a face', "a face", "hat, cap"),
        ("脸 --负面 模糊，多余的手指 --张数 2", "脸", "模糊，多余的手指"),
        ("脸 --反向提示詞 模糊", "脸", "模糊"),
    ],
)
def test_a_negative_prompt_ends_at_the_next_option_and_is_no_part_of_the_prompt(
    text: str, prompt: str, negative: str
) -> None:
    draw = parse(text)
    assert isinstance(draw, Draw)
    assert (draw.prompt, draw.negative) == (prompt, negative)
