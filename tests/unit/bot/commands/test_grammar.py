"""What people type and choose."""

import pytest

from bot.commands.grammar import draw_of, parse
from bot.commands.loras import switch_of
from bot.commands.table import COMMANDS
from bot.commands.values import (
    Cancel,
    Draw,
    Edit,
    Enlarge,
    Export,
    Face,
    Help,
    LoraList,
    LoraSwitch,
    LoraWish,
    Mine,
    Original,
    Pick,
    PixelSize,
    Quota,
    Ratio,
    Repeat,
    Reroll,
    Scope,
)
from bot.errors import (
    BadCount,
    BadSeed,
    BadSize,
    BadWeight,
    EmptyPrompt,
    MissingValue,
    PersonError,
    SlashNeeded,
    TooManyLoras,
    UnknownCommand,
)
from tests.unit.bot.commands.typed import drawn, refused

EXAMPLE = "Sugar面部,纯欲甜妹脸部,清透水光肌,微醺蜜桃腮红"


def test_plain_text_is_a_prompt() -> None:
    assert parse(EXAMPLE) == Draw(EXAMPLE)


def test_the_whole_example_of_the_readme() -> None:
    text = "/sugar Sugar面部, 清透水光肌, 微醺蜜桃腮红 --lora sugar:0.8 --size 2:3 --seed 7 -n 2"
    assert parse(text) == Draw(
        "Sugar面部, 清透水光肌, 微醺蜜桃腮红",
        loras=(LoraWish("sugar", 0.8),),
        size=Ratio(2, 3),
        seed=7,
        count=2,
    )


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/mine", Mine()),
        ("/quota please", Quota()),
        ("/help", Help()),
        ("/start private", Help()),
        ("help", Help()),
        ("/cancel", Cancel()),
        ("/cancel #k3f9", Cancel("k3f9")),
        ("/cancel@sugar_bot k3f9", Cancel("k3f9")),
        ("/lora", LoraList()),
        ("/lora list", LoraList()),
        ("/lora_list@sugar_bot", LoraList()),
        ("/loras", LoraList()),
        ("/LORAS@sugar_bot", LoraList()),
        ("/lora列表", LoraList()),
        ("／ｍｉｎｅ", Mine()),
        ("额度", Quota()),
        ("/额度", Quota()),
        ("我的", Mine()),
        ("取消", Cancel()),
        ("取消 k3f9", Cancel("k3f9")),
        ("帮助", Help()),
        ("有哪些LoRA", LoraList()),
        ("/lora switch sugar", LoraSwitch(LoraWish("sugar"))),
        ("/lora switch Sugar_Face 0.8 --here", LoraSwitch(LoraWish("Sugar_Face", 0.8))),
        ("/lora switch sugar:0.8 --everywhere", LoraSwitch(LoraWish("sugar", 0.8), Scope.BOT)),
        ("/lora switch <lora:sugar:0.8>", LoraSwitch(LoraWish("sugar", 0.8))),
        ("/lora 切换 sugar --全部", LoraSwitch(LoraWish("sugar"), Scope.BOT)),
        ("/lora_switch none", LoraSwitch(LoraWish("none"))),
        ("换LoRA sugar 权重 0.5", LoraSwitch(LoraWish("sugar", 0.5))),
        ("换lora 无", LoraSwitch(LoraWish("none"))),
    ],
)
def test_each_command_has_its_spellings(text: str, command: object) -> None:
    assert parse(text) == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("再画", Reroll("")),
        ("再畫", Reroll("")),
        ("同种子", Repeat("")),
        ("放大", Enlarge("", 0)),
        ("原图", Original("")),
        ("编辑", Edit("")),
        ("导出", Export()),
        ("放大 2", Enlarge("", 1)),
        ("选 2", Pick("", 1)),
        ("再画 00k3f97qxm2bv4c0", Reroll("00k3f97qxm2bv4c0")),
    ],
)
def test_the_chinese_name_of_a_command_alone_is_the_command(text: str, command: object) -> None:
    assert parse(text) == command
    assert parse(f"画 {text}") == Draw(text)
    assert parse(f"{text} 一个女孩") == Draw(f"{text} 一个女孩")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("删除", "/删除"),
        ("刪除", "/删除"),
        ("公开", "/公开"),
        ("体检", "/体检"),
        ("队列", "/队列"),
        ("用户", "/用户"),
        ("管理记录", "/管理记录"),
        ("举报列表", "/举报列表"),
        ("切换", "/lora 切换"),
        ("认领", "/认领"),
        ("统计 7", "/统计 7"),
        ("切换 anime", "/lora 切换 anime"),
        ("删除 k3f9", "/删除 k3f9"),
        ("封禁 discord:1234 7d", "/封禁 discord:1234 7d"),
    ],
)
def test_a_name_that_hosts_or_one_job_need_asks_for_its_slash_and_draws_nothing(
    text: str, command: str
) -> None:
    assert refused(text, SlashNeeded) == {"text": text, "command": command}
    assert parse(f"画 {text}") == Draw(text)
    assert parse(f"{text.split()[0]} 的一个女孩") == Draw(f"{text.split()[0]} 的一个女孩")


def test_every_name_in_the_documented_table_is_no_prompt() -> None:
    for entry in COMMANDS:
        bare = (entry.word,) if entry.is_understood_bare else ()
        for name in {entry.slashed_word, *bare, *entry.words} - {"draw"}:
            try:
                found: object = parse(name)
            except PersonError as error:
                found = error
            assert not isinstance(found, Draw | UnknownCommand | SlashNeeded), name


@pytest.mark.parametrize(
    "head", ["/sugar ", "/SUGAR ", "/sugar@my_bot ", "/draw ", "/画 ", "/画", "画 ", "画：", "／sugar "]
)
def test_a_drawing_is_asked_for_in_many_ways(head: str) -> None:
    assert parse(head + "清透水光肌") == Draw("清透水光肌")


@pytest.mark.parametrize(
    "prose", ["我的女孩", "画风清新", "取消 背景", "额度 x", "帮助别人的女孩", "draw me a face"]
)
def test_command_words_inside_prose_stay_prose(prose: str) -> None:
    assert parse(prose) == Draw(prose)


@pytest.mark.parametrize(
    "flag",
    ["--size 2:3", "--size=2:3", "--SIZE 2：3", "－－size ２：３", "—size 2:3", "––size 2:3", "--尺寸 2:3",
     "--比例2:3", "--ar 2:3", "比例 2:3", "比例：2:3", "比例2：3", "尺寸 2比3", "大小 2 : 3"],
)  # fmt: skip
def test_a_shape_is_read_however_it_is_written(flag: str) -> None:
    assert parse(f"a face {flag}") == Draw("a face", size=Ratio(2, 3))
    assert parse(f"{flag}, a face") == Draw("a face", size=Ratio(2, 3))


@pytest.mark.parametrize("size", ["512x768", "512×768", "512*768", "512X768", "５１２ｘ７６８", "512 x 768"])
def test_pixels_are_read_however_they_are_written(size: str) -> None:
    assert parse(f"a face --size {size}") == Draw("a face", size=PixelSize(512, 768))


@pytest.mark.parametrize(
    "flag", ["-n 4", "-n4", "-n=4", "--n 4", "--count 4", "--张数 4", "张数 4", "张数：４张", "－n 4"]
)
def test_a_count_is_read_however_it_is_written(flag: str) -> None:
    assert parse(f"a face {flag}") == Draw("a face", count=4)


@pytest.mark.parametrize(
    "prose",
    ["一颗种子发芽的女孩", "种子", "种子 发芽", "种子7颗", "女孩种子 7", "完美比例 9头身", "比例 9头身",
     "张数很多", "张数 4张照片", "权重 很高", "well--known face", "a girl -- smiling", "少女——眼神忧郁",
     "少女--眼神忧郁", "少女——比例完美", "a <b> c", "1girl -1", "x-n 4", "3 - 2", "a – b — c", "size 2:3"],
)  # fmt: skip
def test_prose_is_never_taken_for_an_option(prose: str) -> None:
    assert parse(prose) == Draw(prose)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("甜妹, --seed 7, 水光肌", "甜妹, 水光肌"),
        ("甜妹，种子7，水光肌", "甜妹，水光肌"),
        ("--seed 7 甜妹", "甜妹"),
        ("--seed 7, 甜妹", "甜妹"),
        ("甜妹, --seed 7", "甜妹"),
        ("甜妹 --seed 7 水光肌", "甜妹 水光肌"),
        ("甜妹--seed 7", "甜妹"),
        ("甜妹<lora:sugar>水光肌", "甜妹 水光肌"),
        ("甜妹。 --seed 7", "甜妹。"),
        ("甜妹,", "甜妹,"),
        ("a  b\u3000c", "a  b\u3000c"),
    ],
)
def test_spaces_are_removed_only_where_an_option_was_removed(text: str, prompt: str) -> None:
    assert drawn(text).prompt == prompt


@pytest.mark.parametrize("name", ["My_LoRA", "a__b", "Sugar面部", "v1.5", "LORA", "x y", "a(b)"])
def test_a_lora_tag_keeps_underscores_and_capitals(name: str) -> None:
    assert parse(f"a_B <lora:{name}:0.8> *c*_D_") == Draw("a_B *c*_D_", loras=(LoraWish(name, 0.8),))


def test_lora_tags_are_read_full_width_and_without_weight() -> None:
    assert drawn("脸 ＜lora：sugar：０.８＞").loras == (LoraWish("sugar", 0.8),)
    assert drawn("脸 <LORA:sugar>").loras == (LoraWish("sugar"),)


def test_an_option_wins_over_a_tag_and_may_be_repeated() -> None:
    assert drawn("x <lora:anime:1>").loras == (LoraWish("anime", 1.0),)
    assert drawn("x <lora:anime:1> --lora sugar --lora real:0.5").loras == (
        LoraWish("sugar"),
        LoraWish("real", 0.5),
    )
    assert drawn("x --lora sugar:1 --lora SUGAR:0.5").loras == (LoraWish("SUGAR", 0.5),)


def test_a_weight_alone_is_for_the_loras_without_one() -> None:
    assert drawn("x --lora a --lora b:1 权重 0.5").loras == (LoraWish("a", 0.5), LoraWish("b", 1.0))
    assert drawn("x --weight 0.5").loras == (LoraWish("", 0.5),)
    assert drawn("x --lora none --weight 0.5").loras == (LoraWish("none"),)


def test_the_word_for_no_lora_counts_only_alone() -> None:
    assert drawn("x --lora none").loras == (LoraWish("none"),)
    assert drawn("x --lora none --lora sugar").loras == (LoraWish("sugar"),)
    assert refused("x" + " --lora a --lora b --lora c --lora d --lora e", TooManyLoras) == {"limit": 4}


def test_a_face_slot_runs_to_the_next_option_or_comma() -> None:
    draw = drawn("--skin clear glass skin --blush 微醺蜜桃腮红, 甜妹 --lips 薄涂裸粉唇釉 种子 7")
    assert draw == Draw(
        "甜妹", Face(skin="clear glass skin", blush="微醺蜜桃腮红", lips="薄涂裸粉唇釉"), seed=7
    )


def test_a_face_slot_in_quotes_may_hold_commas_and_options() -> None:
    assert drawn('--skin "dewy, --seed 7" --眼神 “含笑，弯月”').face == Face(
        skin="dewy, --seed 7", eyes="含笑，弯月"
    )


def test_a_face_slot_alone_is_a_drawing() -> None:
    assert parse("/sugar --skin 清透水光肌") == Draw("", Face(skin="清透水光肌"))


def test_everything_behind_a_leading_double_dash_is_prompt() -> None:
    assert parse("/sugar --seed 7 -- a --seed 9, -- b") == Draw("a --seed 9, -- b", seed=7)
    refused("/sugar --seed 7 --", EmptyPrompt)


def test_private_is_a_switch() -> None:
    assert parse("--private a face") == parse("a face --私密") == Draw("a face", private=True)


def test_the_last_of_two_values_counts() -> None:
    assert drawn("x --seed 1 种子 2").seed == 2


def test_control_characters_and_bidi_overrides_are_dropped() -> None:
    assert drawn("a\x00b\x1b[31m\x7f\n\tc\u202ed\u2066e\r\nf").prompt == "ab[31m  cde f"


def test_emoji_and_right_to_left_text_are_kept() -> None:
    prose = "👩🏽‍🎨 פנים יפות وجه 👨‍👩‍👧 e\u0301"
    assert drawn(prose).prompt == prose


def test_a_lone_surrogate_is_replaced() -> None:
    assert drawn("a\ud800b").prompt == "a\ufffdb"


def test_slash_options_are_read_and_refused_like_typed_ones() -> None:
    assert draw_of(
        "a face", lora="sugar:0.8", size="2:3", seed=7, count=2.0, skin="清透水光肌", private=True
    ) == Draw("a face", Face(skin="清透水光肌"), (LoraWish("sugar", 0.8),), Ratio(2, 3), 7, 2, private=True)
    assert draw_of("a face", lora=" ", size="", seed=None, weight="") == Draw("a face")
    for wrong, error in (({"seed": -1}, BadSeed), ({"count": 99}, BadCount), ({"size": "0"}, BadSize)):
        with pytest.raises(error):
            draw_of("a face", **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadWeight):
        draw_of("a face", weight=float("nan"))
    with pytest.raises(BadSeed):
        draw_of("a face", seed=float("inf"))


def test_options_inside_a_slash_prompt_count_unless_one_was_chosen() -> None:
    assert draw_of("a face --seed 7 -n 3 --private", seed=9) == Draw("a face", seed=9, count=3, private=True)
    assert draw_of("a face <lora:anime:1>", lora="sugar").loras == (LoraWish("sugar"),)
    assert draw_of("a face --private", private=False).private is False


def test_a_chosen_value_may_hold_what_typed_ones_cannot() -> None:
    assert draw_of("x", lora="my lora:0.8, b").loras == (LoraWish("my lora", 0.8), LoraWish("b"))
    assert draw_of("x", skin="dewy, glass").face.skin == "dewy, glass"


def test_a_switch_can_be_chosen_from_a_menu() -> None:
    assert switch_of("sugar:0.8") == LoraSwitch(LoraWish("sugar", 0.8))
    assert switch_of("sugar", weight=0.5, where="bot") == LoraSwitch(LoraWish("sugar", 0.5), Scope.BOT)
    with pytest.raises(MissingValue):
        switch_of(" ")
    with pytest.raises(BadWeight):
        parse("/lora switch sugar 9")
