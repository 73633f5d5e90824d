"""The host's settings as rules."""

from pathlib import Path

import pytest

from bot.policy.rules import Entitlement, Rules, Tier
from bot.settings import load_settings


@pytest.fixture(autouse=True)
def no_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_rules_equal_the_settings() -> None:
    environ = {
        "SUGARBOT_HOSTS": "discord:1,telegram:2",
        "SUGARBOT_ALLOW": "discord:*",
        "SUGARBOT_QUOTA__DAILY_CREDITS": "9",
        "SUGARBOT_QUOTA__MAX_WAITING": "2",
    }
    expected = Rules(frozenset({"discord:1", "telegram:2"}), frozenset({"discord:*"}), 9, 2)
    assert Rules.from_settings(load_settings(environ=environ)) == expected


def test_the_defaults_are_one_set_of_numbers() -> None:
    assert Rules.from_settings(load_settings(environ={})) == Rules()
    assert Rules().entitlement_of(()) == Entitlement()


def test_a_person_in_several_tiers_has_the_best_of_each() -> None:
    fast = Tier(frozenset({"discord:1", "discord:2"}), Entitlement(weight=5, daily_credits=10))
    rich = Tier(frozenset({"discord:1", "telegram:3"}), Entitlement(weight=2, daily_credits=90))
    rules = Rules(daily_credits=40, tiers=(fast, rich))
    assert rules.entitlement_of(["discord:1"]) == Entitlement(5, 90)
    assert rules.entitlement_of(["discord:2", "telegram:3"]) == Entitlement(5, 90)
    assert rules.entitlement_of(["discord:2"]) == Entitlement(5, 10)
    assert rules.entitlement_of(["telegram:3"]) == Entitlement(2, 90)
    assert rules.entitlement_of(["discord:9"]) == Entitlement(1, 40)


def test_a_tier_without_credits_of_its_own_has_the_usual_ones() -> None:
    environ = {
        "SUGARBOT_QUOTA__DAILY_CREDITS": "9",
        "SUGARBOT_QUOTA__TIERS__FAST__PEOPLE": "discord:1",
        "SUGARBOT_QUOTA__TIERS__FAST__WEIGHT": "3",
    }
    rules = Rules.from_settings(load_settings(environ=environ))
    assert rules.tiers == (Tier(frozenset({"discord:1"}), Entitlement(3, 9)),)
