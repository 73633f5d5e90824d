"""Environment variables: a misspelt one is reported with the nearest one, and others are left alone."""

import pytest

from bot.settings import Settings, every_setting, load_settings, unknown_variables
from tests.unit.bot.settings.reading import problems


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("SUGARBOT_LANGUGE", "SUGARBOT_LANGUAGE"),
        ("SUGARBOT_WEBB__PORT", "SUGARBOT_WEB__PORT"),
        ("SUGARBOT_DISCORD_TOKN", "DISCORD_TOKEN"),
    ],
)
def test_a_misspelt_variable_is_reported_and_others_are_ignored(variable: str, nearest: str) -> None:
    (problem,) = problems("", {variable: "a-secret"})
    assert problem == f"{variable} is not a setting; did you mean {nearest}?"
    assert load_settings(environ={"SUGARBOT_SPECS": "/specs", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("SUGARBOT_WEB_PORT", "SUGARBOT_WEB__PORT"),
        ("SUGARBOT_DISCORD__TOKN_FILE", "SUGARBOT_DISCORD__TOKEN_FILE"),
        ("SUGARBOT_CONFG", "SUGARBOT_CONFIG"),
        ("SUGARBOT_XYZZY", ""),
    ],
)
def test_a_variable_that_sets_nothing_is_found_with_the_nearest_one(variable: str, nearest: str) -> None:
    assert unknown_variables({variable: "1"}) == [(variable, nearest)]


def test_every_variable_that_sets_something_or_is_another_s_is_left_alone() -> None:
    ours = [name for each in every_setting() for name in each.variables]
    ours += ["SUGARBOT_CONFIG", "SUGARBOT_LANG", "SUGARBOT_TELEGRAM__TOKEN_FILE"]
    tests = ["SUGARBOT_SPECS", "SUGARBOT_TOKENIZER", "SUGARBOT_TEST_FAULT"]
    cluster = [
        "SUGARBOT_SERVICE_HOST",
        "SUGARBOT_SERVICE_PORT_HTTP",
        "SUGARBOT_PORT",
        "SUGARBOT_PORT_7860_TCP",
    ]
    variables = [*ours, *tests, *cluster, "SUGARBOT_QUOTA__TIERS__A__WEIGHT", "PATH", "SUGARBOT"]
    assert unknown_variables(dict.fromkeys(variables, "1")) == []
