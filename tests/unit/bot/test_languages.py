"""Languages: which one a code means, and the texts for Taiwan."""

import json
import string

import pytest

from bot.commands.table import COMMANDS
from bot.languages import LOCALES, TAIWAN_FILE, in_script, locale_of, title_of, typed_forms
from bot.messages import text
from bot.messages.catalogue import read_catalogue
from tests.taiwan import taiwan_texts


@pytest.mark.parametrize(
    ("codes", "locale"),
    [
        (("zh", "zh-CN", "zh_CN.UTF-8", "zh-hans", "ZH-Hans-SG"), "zh-CN"),
        (("zh-TW", "zh_TW.UTF-8", "zh-hant", "zh-Hant-HK", "zh-HK", "zh-MO"), "zh-TW"),
        (("en-US", "fr", "C.UTF-8", "", None, "tw", "zhx"), "en"),
    ],
)
def test_a_code_of_a_platform_or_system_means_one_of_our_languages(
    codes: tuple[str | None, ...], locale: str
) -> None:
    assert {locale_of(code) for code in codes} == {locale}
    assert locale in LOCALES


def test_the_texts_for_taiwan_are_up_to_date() -> None:
    written = json.loads(TAIWAN_FILE.read_text(encoding="utf-8"))
    assert written == taiwan_texts(), "run python -m tests.taiwan"


def test_a_text_for_taiwan_has_the_same_facts_and_no_simplified_quotes() -> None:
    formatter = string.Formatter()
    for chinese in read_catalogue().values():
        shown = in_script(chinese, "zh-TW")
        facts = [{name for _, name, _, _ in formatter.parse(each) if name} for each in (chinese, shown)]
        assert facts[0] == facts[1], chinese
        assert not set(shown) & set("“”这图额显")


def test_words_that_a_converter_takes_for_others_are_those_of_taiwan() -> None:
    """A setting of a picture is no argument of a function, “only” no counter of animals."""
    wrong = ("引數", "全域性", "隻", " 里", "介面卡", "映象", "許可權", "響應", "賬", "質量", "文本", "擴音")
    words = [each.word for entry in COMMANDS for option in entry.options for each in option.named]
    for chinese in (*read_catalogue().values(), *words):
        shown = in_script(chinese, "zh-TW")
        assert not [word for word in wrong if word in shown], shown


def test_a_sentence_is_shown_in_the_script_of_its_reader() -> None:
    msgid = "Draw a face"
    assert (text(msgid, "en"), text(msgid, "zh-CN"), text(msgid, "zh-TW")) == (msgid, "画一张脸", "畫一張臉")
    assert in_script("软件", "zh-TW") == "软件"  # no text of ours


def test_words_of_commands_are_typed_in_both_scripts() -> None:
    assert typed_forms("种子") == ("种子", "種子")
    assert typed_forms("显卡") == ("显卡", "顯示卡", "顯卡")
    assert typed_forms("seed") == ("seed",)
    for entry in COMMANDS:
        assert all(word in typed_forms(word) for word in entry.words)


def test_a_title_in_the_other_chinese_comes_before_the_english_one() -> None:
    titles = {"en": "Sugar face", "zh-CN": "糖脸"}
    assert [title_of(titles, locale) for locale in LOCALES] == ["Sugar face", "糖脸", "糖脸"]
    assert title_of({"zh-TW": "糖臉", "en": "Sugar face"}, "zh-CN") == "糖臉"
    assert title_of({"zh-CN": "糖脸"}, "en") == ""
