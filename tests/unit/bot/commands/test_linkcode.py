"""The code that joins two chats: hard to guess, easy to type."""

from random import SystemRandom

import pytest

from bot.commands.grammar import parse
from bot.commands.linkcode import CODE_CHARS, code_of, is_code, new_code, shown
from bot.commands.values import Draw, Link, Unlink


def test_codes_are_many_short_and_read_back_as_they_are_shown() -> None:
    codes = {new_code(SystemRandom()) for _ in range(1000)}
    assert len(codes) == 1000
    assert {len(code) for code in codes} == {CODE_CHARS}
    assert all(code_of(shown(code)) == code and is_code(shown(code)) for code in codes)
    assert len(set("".join(codes))) == 32  # five bits a character


@pytest.mark.parametrize("typed", ["K3F9-7QX0", "k3f9 7qxo", " K3F97QX0 ", "k3f9–7qxO", "K3F9-7QXo."])
def test_what_people_type_for_a_code_is_forgiven(typed: str) -> None:
    assert code_of(typed) == "K3F97QX0"
    assert parse(f"/link {typed}") == Link("K3F97QX0")


@pytest.mark.parametrize("typed", ["/link", "/关联", "关联", "绑定", "/link@sugarbot", "  关联账号 "])
def test_without_a_code_one_is_asked_for(typed: str) -> None:
    assert parse(typed) == Link()


def test_a_code_may_follow_the_chinese_word_and_prose_may_too() -> None:
    assert parse("关联 k3f9-7qx0") == Link("K3F97QX0")
    assert parse("绑定：K3F9-7QX0") == Link("K3F97QX0")
    assert parse("关联 两张照片里的人") == Draw(prompt="关联 两张照片里的人")


@pytest.mark.parametrize("typed", ["/unlink", "/取消关联", "取消关联", "解绑"])
def test_parting_is_a_command_of_its_own(typed: str) -> None:
    assert parse(typed) == Unlink()


def test_a_code_shows_in_no_repr() -> None:
    assert "K3F97QX0" not in repr(Link("K3F97QX0"))


def test_a_code_is_shown_in_two_halves() -> None:
    assert shown("K3F97QXM") == "K3F9-7QXM"


@pytest.mark.parametrize("typed", ["K3F97QX", "K3F97QX00", "UUUUUUUU", "K3F97QX面", ""])
def test_what_is_too_short_too_long_or_holds_another_sign_is_no_code(typed: str) -> None:
    assert not is_code(typed)
    assert parse(f"关联 {typed}".strip()) == (Draw(prompt=f"关联 {typed}") if typed else Link())
