"""Settings that count without a restart, and those that wait for one."""

from typing import Any

import pytest

from bot.settings import Settings
from bot.settings.live import LIVE, LiveSettings


def settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({"hosts": ["discord:1"]}, ("hosts",)),
        ({"allow": ["telegram:*"]}, ("allow",)),
        ({"alerts": False}, ("alerts",)),
        ({"language": "zh-TW"}, ("language",)),
        ({"web": {"operator_password": "a gate of jade"}}, ("web.operator_password",)),
        ({"quota": {"daily_credits": 7}}, ("quota.daily_credits",)),
        (
            {"quota": {"tiers": {"friends": {"people": ["discord:1"]}}}},
            tuple(
                f"quota.tiers.friends.{name}"
                for name in ("daily_credits", "members", "people", "roles", "weight")
            ),
        ),
        (
            {"storage": {"reserve_mib": 1, "keep_pictures_days": 1}},
            ("storage.keep_pictures_days", "storage.reserve_mib"),
        ),
        ({}, ()),
    ],
)
def test_a_live_setting_counts_at_once_and_is_named(values: dict[str, Any], changed: tuple[str, ...]) -> None:
    live = LiveSettings(settings())
    assert live.replace(settings(**values)) == changed
    assert live.now == settings(**values)
    assert live.waiting == ()


def test_every_live_name_is_a_setting() -> None:
    assert set(LIVE) <= set(Settings.model_fields)


def test_a_removed_password_counts_after_a_restart_so_that_no_half_written_file_opens_the_page() -> None:
    live = LiveSettings(settings())
    guarded = settings(web={"operator_password": "a gate of jade"})
    live.replace(guarded)
    assert live.replace(settings(web={"port": 7777})) == ()
    assert live.now.web.operator_password == guarded.web.operator_password
    assert live.waiting == ("web.operator_password", "web.port")
    iron = settings(web={"operator_password": "a gate of iron"})
    assert live.replace(iron) == ("web.operator_password",)
    assert (live.now.web.operator_password, live.waiting) == (iron.web.operator_password, ())


def test_other_settings_wait_for_a_restart_and_do_not_count() -> None:
    live = LiveSettings(settings(hosts=["discord:1"]))
    read = settings(web={"port": 7777}, discord={"token": "secret-token"}, hosts=["discord:2"])
    assert live.replace(read) == ("hosts",)
    assert live.waiting == ("discord.token", "web.port")
    assert (live.now.web.port, live.now.discord.token.get_secret_value()) == (7860, "")
    assert live.now.hosts == ("discord:2",)
    assert live.replace(settings(hosts=["discord:2"])) == ()
    assert live.waiting == ()
