"""Bad values and misspelt names: all are reported at once, each with what is valid instead."""

from pathlib import Path

import pytest

from bot.errors import BadSettings
from bot.settings import EXAMPLE_COMMIT, load_settings
from tests.unit.bot.settings.reading import problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data_dir = 3", ["data_dir", "folder"]),
        ('language = "de"', ["language", "en, zh-CN or zh-TW", "'de'"]),
        ('hosts = ["me"]', ["hosts", "platform:user-id", "'me'", '["discord:123456789"]']),
        ('hosts = ["discord:*"]', ["hosts"]),
        ('hosts = ["web:1"]', ["hosts"]),
        ("hosts = 7", ["hosts"]),
        ('allow = ["discord"]', ["allow", "platform:id"]),
        ("quota.daily_credits = -1", ["quota.daily_credits", "0 to 100000", "-1"]),
        ("quota.max_waiting = 0", ["quota.max_waiting", "1 to 100"]),
        ('discord.api_base = ""', ["discord.api_base", "http"]),
        ('discord.api_base = "discord.com"', ["discord.api_base"]),
        ('discord.gateway = "https://x"', ["discord.gateway", "wss"]),
        ('discord.proxy = "socks5://127.0.0.1:1080"', ["discord.proxy", "http://127.0.0.1:1080"]),
        ('telegram.proxy = "127.0.0.1:1080"', ["telegram.proxy", "socks5://127.0.0.1:1080"]),
        ('telegram.proxy = "http://127.0.0.1:99999"', ["telegram.proxy"]),
        ('telegram.base_url = "file:///x"', ["telegram.base_url"]),
        ('web.host = "0.0.0.0"', ["web.host", "loopback", "127.0.0.1"]),
        ('web.host = "example.org"', ["web.host"]),
        ("web.port = 65536", ["web.port", "65535"]),
        ('web.enabled = "perhaps"', ["web.enabled", "true or false"]),
        ("web = 7", ["web", "[web]"]),
        ('engine.model = ""', ["engine.model", "built-in"]),
        (
            'engine.model = "owner/model"',
            ["engine.revision", "owner/model", EXAMPLE_COMMIT],
        ),
        ('engine.revision = "main"', ["engine.revision", "40"]),
        ('engine.source = "web"', ["engine.source", "modelscope"]),
        ('engine.device = "gpu"', ["engine.device", "cuda:1"]),
        ("engine.reserve_mib = -1", ["engine.reserve_mib"]),
        ("engine.step_timeout_s = nan", ["engine.step_timeout_s"]),
        ("engine.start_timeout_s = inf", ["engine.start_timeout_s"]),
        ('languag = "en"', ["languag is not a setting", "did you mean language?"]),
        ("web.prot = 1", ["web.prot is not a setting", "did you mean web.port?"]),
        ("quota.xyz = 1", ["quota.xyz is not a setting", "daily_credits, max_waiting"]),
    ],
)
def test_a_bad_value_is_reported_with_its_name_and_a_valid_value(text: str, words: list[str]) -> None:
    (problem,) = problems(text)
    for word in words:
        assert word in problem


def test_all_bad_values_are_reported_at_once() -> None:
    found = problems(
        'language = "de"\nweb.port = "x"\nengine.device = "gpu"\nengine.model = "a/b"\nengin = 1',
        {"SUGARBOT_QUOTA__MAX_WAITING": "0", "TELEGRAM_TOKEN_FILE": "nowhere", "SUGARBOT_WEBB__PORT": "1"},
    )
    starts = (
        "TELEGRAM_TOKEN_FILE",
        "language",
        "web.port",
        "engine.device",
        "engine.revision",
        "engin ",
        "quota.",
        "SUGARBOT_WEBB__PORT",
    )
    assert len(found) == len(starts)
    assert all(any(problem.startswith(start) for problem in found) for start in starts)


def test_problems_in_a_tier_name_it() -> None:
    found = problems(
        "[quota.tiers.patrons]\npeople = ['ann']\nweight = 0\ndaily_credits = -1\nweigth = 3\n"
        "[quota.tiers]\nx = 1"
    )
    assert sorted(found) == [
        "quota.tiers.patrons.daily_credits must be a whole number from 0 to 100000, not '-1'; "
        "for example: 200",
        "quota.tiers.patrons.people must be a list of people, each as platform:user-id, not 'ann'; "
        'for example: ["discord:123456789"]',
        "quota.tiers.patrons.weight must be a whole number from 1 to 100, not '0'; for example: 3",
        "quota.tiers.patrons.weigth is not a setting; did you mean quota.tiers.patrons.weight?",
        "quota.tiers.x must be a table of settings, under [quota.tiers.x].",
    ]


@pytest.mark.parametrize("text", ['data_dir = ""', '[engine]\nlora_dir = ""'])
def test_an_empty_folder_is_not_the_working_directory(tmp_path: Path, text: str) -> None:
    (tmp_path / "sugarbot.toml").write_text(text)
    with pytest.raises(BadSettings) as bad:
        load_settings(tmp_path / "sugarbot.toml", {})
    assert [problem.code for problem in bad.value.facts["problems"]] == ["must_be_not"]
