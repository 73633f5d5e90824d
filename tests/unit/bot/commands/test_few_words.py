"""Commands in few words, and the text after them."""

import pytest

from bot.commands.grammar import draw_of, parse
from bot.commands.loras import switch_of
from bot.commands.values import Cancel, Draw, Face, Link, LoraList, LoraSwitch, LoraWish, Mine, Scope
from bot.errors import BadCount, MissingValue, NoGuidance, UnknownCommand, UnknownFlag
from tests.unit.bot.commands.typed import drawn, refused


def test_the_first_page_of_all_jobs_is_shown() -> None:
    assert parse("/mine") == Mine()


def test_draw_alone_is_a_prompt() -> None:
    assert parse("draw") == Draw("draw")


@pytest.mark.parametrize("text", ["/drawing a face", "/sugarface"])
def test_an_english_word_that_begins_like_a_command_is_prose(text: str) -> None:
    assert refused(text, UnknownCommand)["text"] == text[1:].split()[0]


@pytest.mark.parametrize(
    ("text", "word"), [("/", ""), ("/ sugar", ""), ("/😀 x", "😀"), ("/" + "x" * 80, "x" * 64)]
)
def test_the_refusal_of_an_unknown_command_quotes_the_word_cut_to_its_limit(text: str, word: str) -> None:
    assert refused(text, UnknownCommand)["text"] == word


def test_start_is_telegrams_word_and_never_suggested() -> None:
    assert "/start" not in refused("/strt", UnknownCommand)["nearest"]  # type: ignore[operator]
    assert refused("/helpp", UnknownCommand)["nearest"][0] == "/help"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "job_id"),
    [
        ("/cancel k3f9 please", "k3f9"),
        ("/cancel ＃k3f9", "k3f9"),
        ("取消 #k3f9", "k3f9"),
        ("/cancel " + "k" * 80, "k" * 64),
    ],
)
def test_the_job_to_cancel_is_the_first_word(text: str, job_id: str) -> None:
    assert parse(text) == Cancel(job_id)


def test_a_code_that_is_far_too_long_is_cut() -> None:
    assert parse("/link " + "7" * 80) == Link("7" * 64)


@pytest.mark.parametrize(
    ("rest", "lora", "scope"),
    [
        ("2", LoraWish("2"), Scope.CHAT),
        ("my lora", LoraWish("my lora"), Scope.CHAT),
        ("my lora 0.5", LoraWish("my lora", 0.5), Scope.CHAT),
        ("sugar 2 0.5", LoraWish("sugar 2", 0.5), Scope.CHAT),
        ("sugar 2 --weight 0.5", LoraWish("sugar 2", 0.5), Scope.CHAT),
        ("<lora:a:1> <lora:b:0.5>", LoraWish("b", 0.5), Scope.CHAT),
        ("sugar <lora:b:0.5>", LoraWish("sugar"), Scope.CHAT),
        ("sugar --here --everywhere", LoraWish("sugar"), Scope.BOT),
        ("sugar --everywhere --here", LoraWish("sugar"), Scope.CHAT),
        ("--everywhere sugar 权重 0.5", LoraWish("sugar", 0.5), Scope.BOT),
    ],
)
def test_a_switch_takes_a_name_a_weight_and_a_scope_in_any_order(
    rest: str, lora: LoraWish, scope: Scope
) -> None:
    assert parse(f"/lora switch {rest}") == LoraSwitch(lora, scope)


def test_every_option_of_a_switch_from_a_menu_may_be_missing() -> None:
    assert switch_of("sugar", weight=0) == LoraSwitch(LoraWish("sugar", 0.0), Scope.CHAT)
    assert switch_of("sugar:0.5", weight=None, where="chat") == LoraSwitch(LoraWish("sugar", 0.5), Scope.CHAT)


@pytest.mark.parametrize("text", ["/lora", "/lora ", "/Lora LIST", "/lora 列表"])
def test_loras_are_listed(text: str) -> None:
    assert parse(text) == LoraList()


@pytest.mark.parametrize("text", ["/列表", "/切换 sugar", "/list", "/switch sugar"])
def test_the_second_word_of_a_command_is_no_command(text: str) -> None:
    refused(text, UnknownCommand)


def test_a_chosen_zero_is_a_value() -> None:
    assert draw_of("x", seed=0) == Draw("x", seed=0)
    assert draw_of("x", weight=0).loras == (LoraWish("", 0.0),)
    with pytest.raises(BadCount):
        draw_of("x", count=0)


def test_the_largest_number_of_loras_is_accepted() -> None:
    four = drawn("x --lora a --lora b --lora c --lora d").loras
    assert [lora.name for lora in four] == ["a", "b", "c", "d"]
    assert drawn("x --lora a --lora none --lora b --lora c --lora d").loras == four


def test_loras_from_a_menu_are_separated_by_commas_of_either_width() -> None:
    assert [lora.name for lora in draw_of("x <lora:z>", lora="a，b, ,c").loras] == ["a", "b", "c"]


@pytest.mark.parametrize("slot", ["skin", "blush", "lips", "eyes", "lashes"])
def test_each_slot_of_a_menu_is_the_slot_of_its_name(slot: str) -> None:
    assert draw_of("", **{slot: "soft"}) == Draw("", Face(**{slot: "soft"}))  # type: ignore[arg-type]
    assert draw_of(f"x --{slot} typed", **{slot: "chosen"}).face == Face(**{slot: "chosen"})  # type: ignore[arg-type]


def test_options_need_no_space_between_them() -> None:
    assert drawn("x --seed 7--count 2") == Draw("x", seed=7, count=2)
    assert drawn("x <lora:a>--seed 7") == Draw("x", loras=(LoraWish("a"),), seed=7)
    assert drawn("x <lora:a><lora:b:1>") == Draw("x", loras=(LoraWish("a"), LoraWish("b", 1.0)))


def test_an_option_after_a_sign_is_found_in_a_prompt_and_in_a_slot() -> None:
    assert drawn("x <<lora:b>") == Draw("x <", loras=(LoraWish("b"),))
    assert drawn("--lips a <<lora:b>") == Draw("", Face(lips="a <"), (LoraWish("b"),))


def test_an_option_that_begins_the_text_needs_nothing_before_it() -> None:
    assert parse("种子 7, x") == parse("-seed 7, x") == parse("——种子 7, x") == Draw("x", seed=7)
    assert refused("--size", MissingValue)["option"] == "size"


@pytest.mark.parametrize(
    "prose", ["风格 2", "皮肤 3, 脸", "腮红 2:3", "嘴唇 2", "眼睛 2", "私密 1", "描述 7"]
)
def test_a_word_that_takes_no_number_stays_prose_before_one(prose: str) -> None:
    assert parse(prose) == Draw(prose)


def test_two_dashes_end_a_slot_only_with_spaces_around_them() -> None:
    assert drawn("--lips soft -- x") == Draw("x", Face(lips="soft"))
    assert drawn("--lips soft-- x") == Draw("", Face(lips="soft-- x"))


@pytest.mark.parametrize("prose", ["甜妹--xyz 7", "甜妹—sise 2:3", "种子abc, 脸", "x-seed 7", "1—2", "a <3"])
def test_an_option_attached_to_a_word_is_prose(prose: str) -> None:
    assert parse(prose) == Draw(prose)


@pytest.mark.parametrize("text", ["a face —sise 512x768", "a face -sise 512x768", "a face —cfg 7"])
def test_a_nearly_right_name_with_a_size_or_a_number_behind_it_is_an_option(text: str) -> None:
    refused(text, NoGuidance if "cfg" in text else UnknownFlag)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("a, --seed 7 b", "a, b"),
        ("a、--seed 7 b", "a、b"),
        ("a --seed 7 , b", "a, b"),
        ("--seed 7 ,, b", "b"),
        ("a, --seed 7, --count 2", "a"),
        ("a --seed 7 --count 2 b", "a b"),
        ("a; --seed 7", "a"),
        ("a --seed 7。", "a 。"),
        (", a --seed 7", ", a"),
    ],
)
def test_the_rest_of_the_prompt_is_joined_where_an_option_was_removed(text: str, prompt: str) -> None:
    assert drawn(text).prompt == prompt
