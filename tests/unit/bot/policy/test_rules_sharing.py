"""Where others read along, which chats are served, and what a picture costs that begins with another one."""

import pytest

from bot.outcomes import Recipe, Start
from bot.policy.rules import CREDIT_AREA_PX, Rules, others_read, price, serves


@pytest.mark.parametrize(
    ("chats", "expected"),
    [
        (("telegram:-100200",), True),
        (("telegram:7",), False),
        (("discord:20", "discord:300"), True),
        (("discord:20",), False),  # a direct message
        (("console:here",), False),
        (("web:page",), False),
        ((), False),
    ],
)
def test_who_reads_a_chat(chats: tuple[str, ...], expected: bool) -> None:
    assert others_read(chats) is expected


@pytest.mark.parametrize(
    ("allow", "chats", "expected"),
    [
        ({"telegram:-1"}, ("telegram:-1",), True),
        ({"telegram:*"}, ("telegram:-1",), True),
        ({"discord:300"}, ("discord:20", "discord:300"), True),
        ({"telegram:-2"}, ("telegram:-1",), False),
        (set(), ("web:page",), True),
        ({"telegram:*"}, (), False),
    ],
)
def test_which_chats_are_served(allow: set[str], chats: tuple[str, ...], expected: bool) -> None:
    assert serves(Rules(allow=frozenset(allow)), chats) is expected


@pytest.mark.parametrize(
    ("size", "count", "strength", "credits"),
    [
        ((1024, 1024), 1, 1.0, 1),
        ((2048, 2048), 1, 1.0, 4),
        ((2048, 2048), 1, 0.3, 2),
        ((2048, 2048), 1, 0.25, 1),
        ((1024, 1024), 4, 0.4, 4),  # at least a credit a picture
        ((CREDIT_AREA_PX, 2), 1, 0.5, 1),
    ],
)
def test_a_picture_that_begins_with_another_costs_the_part_that_is_drawn(
    size: tuple[int, int], count: int, strength: float, credits: int
) -> None:
    recipe = Recipe("a face", (), *size, seed=7, count=count, steps=8, start=Start("job", 0, strength))
    assert price(recipe) == credits
