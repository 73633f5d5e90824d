"""Every sentence is in the catalogue, in both languages, with the same facts."""

import ast
import string
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from typer.main import get_command

import bot
from bot.__main__ import app
from bot.commands.table import COMMANDS, SUGAR_OPTIONS
from bot.commands.values import (
    Compare,
    Draft,
    DrainQueue,
    Draw,
    EditPresets,
    EditSettings,
    Mine,
    PauseDrawing,
)
from bot.errors import UnknownLora
from bot.messages.catalogue import (
    N_,
    Times,
    format_duration,
    format_time,
    join_facts,
    shorten,
    text,
)
from bot.messages.refusals import SENTENCES
from bot.settings import Settings
from engine.request import TimeEstimate

BOT = Path(bot.__file__).parent
PO = BOT / "messages" / "zh_CN.po"
# Marks that Chinese sentences write full-width; a half-width one beside a Chinese character is a slip.
HALF_WIDTH = ",;!?()"
FULL_WIDTH = "，。；：！？（）"


def msgids() -> list[str]:
    found = extract_from_dir(BOT, keywords={"N_": None, "text": None}, method_map=[("**.py", "python")])
    written = [message if isinstance(message, str) else message[0] for _, _, message, _, _ in found]
    about = [option.about for entry in COMMANDS for option in entry.options]
    examples = [option.example for option in SUGAR_OPTIONS if option.is_face_slot]
    worded = (Draw, Compare, Draft, EditPresets, EditSettings, Mine, PauseDrawing, DrainQueue)
    usages = [entry.usage for entry in COMMANDS if " " in entry.usage and entry.command_type in worded]
    shell = shell_help(get_command(app))
    every = [*written, *(entry.about for entry in COMMANDS), *about, *examples, *usages]
    return list(dict.fromkeys([*every, *setting_descriptions(Settings), *shell]))


def shell_help(command: Any) -> list[str]:
    """The help of a command, of its options and arguments, and of the commands within it."""
    about = [command.help, *(each.help for each in command.params)]
    within = [message for each in getattr(command, "commands", {}).values() for message in shell_help(each)]
    return [message for message in [*about, *within] if message]


def setting_descriptions(section: type[BaseModel]) -> list[str]:
    """What each setting must be, sections within sections included."""
    found = []
    for field in section.model_fields.values():
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        found += [field.description] if field.description else []
        found += [each for kind in inner for each in setting_descriptions(kind)]
    return found


def translations() -> dict[str, str]:
    with PO.open("rb") as po:
        return {str(message.id): str(message.string) for message in read_po(po) if message.id}


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


CHINESE = translations()


def test_sentences_are_found_in_the_source() -> None:
    assert len(msgids()) > 100
    assert "Did you mean {nearest}?" in msgids()


def test_every_sentence_has_its_chinese() -> None:
    missing = [sentence for sentence in msgids() if not CHINESE.get(sentence)]
    assert not missing, f"add these to bot/messages/zh_CN.po: {missing}"


def test_no_translation_is_left_over() -> None:
    assert set(CHINESE) - set(msgids()) == set()


def test_each_section_of_the_catalogue_names_a_module() -> None:
    sections = [line[3:] for line in PO.read_text(encoding="utf-8").splitlines() if line.startswith("#. ")]
    assert sections
    assert [name for name in sections if not (BOT.parent / name).is_file()] == []


def test_every_translation_has_the_same_facts() -> None:
    assert not [english for english, chinese in CHINESE.items() if fields(english) != fields(chinese)]


def test_chinese_text_uses_chinese_punctuation() -> None:
    found = {chinese: list(wrong_punctuation(chinese)) for chinese in CHINESE.values()}
    assert not {chinese: wrong for chinese, wrong in found.items() if wrong}


def wrong_punctuation(chinese: str) -> Iterator[str]:
    for before, mark, after in zip(chinese, chinese[1:], chinese[2:] + " ", strict=False):
        if mark in HALF_WIDTH and (is_chinese(before) or is_chinese(after)):
            yield f"{before}{mark}{after}"
    for left, right in pairwise(chinese):
        is_close = (is_chinese(left) and is_latin(right)) or (is_latin(left) and is_chinese(right))
        if is_close and "面部" not in chinese:
            yield f"no space in {left}{right}"
        if left == " " and right in FULL_WIDTH:
            yield f"a space before {right}"
        if right == " " and left in FULL_WIDTH:
            yield f"a space after {left}"


@pytest.mark.parametrize("chinese", ["图,好", "好, a", "一a", "a一", "好 ，", "， 好"])
def test_wrong_punctuation_is_found(chinese: str) -> None:
    assert list(wrong_punctuation(chinese))


def is_chinese(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def test_no_sentence_is_hidden_from_the_catalogue() -> None:
    """``text`` is given a marked literal or a name that holds one, never a sentence built on the spot."""
    for path in BOT.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            if getattr(call.func, "id", getattr(call.func, "attr", "")) == "text":
                assert not isinstance(call.args[0], ast.JoinedStr | ast.BinOp), f"{path}:{call.lineno}"


def test_an_unknown_sentence_or_locale_falls_back_to_english() -> None:
    assert text("No such sentence: {fact}", "zh-CN", fact=7) == "No such sentence: 7"
    assert text(N_("Got it!"), "fr") == "Got it!"
    assert text(N_("Got it!"), "zh-CN") == "收到！"


def test_a_missing_fact_reads_as_an_ellipsis() -> None:
    assert text(N_("seed {seeds}"), "en") == "seed …"


@given(st.text(), st.sampled_from(["en", "zh-CN"]))
def test_text_of_people_is_inserted_unchanged_but_short_and_on_one_line(message: str, locale: str) -> None:
    sentence = text(SENTENCES[UnknownLora], locale, name=message)
    frame = text(SENTENCES[UnknownLora], locale, name="")
    assert len(sentence) <= len(frame) + 60
    assert len(sentence.splitlines()) == 1


def test_braces_in_people_s_text_are_only_braces() -> None:
    message = text(N_("There is no job “{job_id}”. /mine shows yours."), "en", job_id="{0.__class__} {x}")
    assert "{0.__class__} {x}" in message


def test_facts_read_as_people_write_them() -> None:
    assert text("{facts}", "en", facts=("a", "b")) == "a, b"
    assert text("{facts}", "zh-CN", facts=("a", "b")) == "a、b"
    assert text("{facts}", "en", facts=((512, 768), (768, 512))) == "512 × 768, 768 × 512"
    assert text("{facts}", "en", facts=0.80) == "0.8"
    assert shorten("a" * 9, 5) == "aaaa…"
    assert join_facts(["a", "", "b"]) == "a · b"


@pytest.mark.parametrize(
    ("least_s", "most_s", "message"),
    [
        (0.2, 1.2, "1 s"),
        (0.2, 4.4, "1–4 s"),
        (9.4, 13, "9–15 s"),
        (21, 29, "20–30 s"),
        (40, 41, "40 s"),
        (50, 130, "50 s to 2 min"),
        (100, 110, "2 min"),
        (170, 400, "3–7 min"),
    ],
)
def test_times_are_round(least_s: float, most_s: float, message: str) -> None:
    assert format_duration(TimeEstimate(least_s, most_s), "en") == message


def test_times_are_formatted_in_both_languages() -> None:
    assert format_duration(TimeEstimate(21, 29), "zh-CN") == "20–30 秒"
    assert format_duration(TimeEstimate(200, 200), "zh-CN") == "3 分钟"


@pytest.mark.parametrize(
    ("times", "written"),
    [
        ("utc", "2027-01-15 08:00 UTC"),
        ("discord", "<t:1800000000:f> (<t:1800000000:R>)"),
        (ZoneInfo("Asia/Shanghai"), "2027-01-15 16:00 UTC+8"),
        (ZoneInfo("Asia/Kolkata"), "2027-01-15 13:30 UTC+5:30"),
        (ZoneInfo("America/St_Johns"), "2027-01-15 04:30 UTC-3:30"),
        (ZoneInfo("America/New_York"), "2027-01-15 03:00 UTC-5"),
    ],
)
def test_a_point_in_time_is_written_as_the_platform_shows_it(times: Times, written: str) -> None:
    assert format_time(1_800_000_000, times) == written


def test_only_local_chats_show_times_in_the_server_s_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert format_time(1_800_000_000) == "2027-01-15 08:00 UTC"
        assert format_time(1_800_000_000, "local") == "2027-01-15 17:00 UTC+9"
    finally:
        monkeypatch.undo()
        time.tzset()
