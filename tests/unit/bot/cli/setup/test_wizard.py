"""`sugarbot setup` checks each answer at once, says what to do, keeps what was there, and shows no token."""

from typing import Any

import pytest

from bot.settings import load_settings
from tests.fakes.platform_answers import DISCORD_TOKEN, TELEGRAM_TOKEN
from tests.languages import foreign
from tests.unit.bot.cli.setup.host_folder import CODE, HostFolder, mode_of


def test_without_anything_there_is_a_bot_on_this_machine_alone(host: HostFolder) -> None:
    code, output = host.run()
    assert code == 0
    assert host.settings["engine"]["model"] == "built-in"
    assert not host.tokens
    assert not CODE.search(output)  # no chat in which a code could be sent
    assert not (host.folder / "sugarbot.toml.bak").exists()
    assert load_settings(environ={}).language == "en"


def test_tokens_come_from_files_or_the_environment_and_stand_in_the_token_file_alone(
    host: HostFolder,
) -> None:
    host.patch.setenv("TELEGRAM_TOKEN", TELEGRAM_TOKEN)
    code, output = host.run("--discord-token-file", host.token_file(DISCORD_TOKEN))
    assert code == 0, output
    assert host.tokens.splitlines()[1:] == ["DISCORD_TOKEN=d", f"TELEGRAM_TOKEN={TELEGRAM_TOKEN}"]
    assert mode_of(host.folder / "tokens.env") == mode_of(host.folder / "sugarbot.toml") == 0o600
    assert TELEGRAM_TOKEN not in output + (host.folder / "sugarbot.toml").read_text()
    assert "https://t.me/sugar_bot" in output
    assert "https://discord.com/oauth2/authorize?client_id=9&scope=bot+applications.commands" in output
    assert CODE.search(output)
    host.patch.delenv("TELEGRAM_TOKEN")
    assert load_settings(environ={}).telegram.token.get_secret_value() == TELEGRAM_TOKEN


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("method", "answer", "english", "chinese"),
    [
        ("getMe", 401, "refused the token", "令牌"),
        ("getMe", 503, "can't be reached", "连不上"),
        ("getUpdates", 409, "Another program reads", "另一个程序"),
        ("users/@me", 401, "refused the token", "令牌"),
        (
            "applications/@me",
            {"id": "9", "interactions_endpoint_url": "https://x"},
            "Endpoint URL",
            "https://x",
        ),
    ],
)
def test_a_chat_that_does_not_work_ends_it_with_what_to_do(
    host: HostFolder, language: str, method: str, answer: Any, english: str, chinese: str
) -> None:
    host.patch.setenv("TELEGRAM_TOKEN", TELEGRAM_TOKEN)
    host.patch.setenv("DISCORD_TOKEN", DISCORD_TOKEN)
    host.platforms.answers[method] = answer
    code, output = host.run("--language", language)
    assert code == 1
    assert (english if language == "en" else chinese) in output
    assert TELEGRAM_TOKEN not in output
    assert not (host.folder / "sugarbot.toml").exists()
    assert not (host.folder / "tokens.env").exists()
    assert ("Nothing was written." if language == "en" else "没有写入任何文件") in output
    assert "✗ Telegram：" in output or "✗ Discord：" in output or language == "en"
    assert not foreign(output, language)


@pytest.mark.parametrize("platform", ["discord", "telegram"])
def test_a_proxy_is_used_for_the_check(host: HostFolder, platform: str) -> None:
    host.patch.setenv(
        f"{platform.upper()}_TOKEN", TELEGRAM_TOKEN if platform == "telegram" else DISCORD_TOKEN
    )
    code, output = host.run(f"--{platform}-proxy", "http://127.0.0.1:9")
    assert code == 1
    assert "no connection" in output or "proxy" in output
    assert not (host.folder / "sugarbot.toml").exists()


def test_a_proxy_of_a_kind_that_the_chat_cannot_use_is_refused(host: HostFolder) -> None:
    host.patch.setenv("DISCORD_TOKEN", DISCORD_TOKEN)
    code, output = host.run("--discord-proxy", "socks5://127.0.0.1:9")
    assert code == 1
    assert "--discord-proxy must be" in output


def test_a_token_of_two_words_is_refused_without_showing_it(host: HostFolder) -> None:
    code, output = host.run("--telegram-token-file", host.token_file("two secret-words"))
    assert code == 1
    assert "telegram.token" in output
    assert "secret-words" not in output


def test_a_token_file_that_is_missing_is_named(host: HostFolder) -> None:
    code, output = host.run("--telegram-token-file", "nowhere")
    assert code == 1
    assert "nowhere" in output


def test_what_was_there_stays_and_the_file_as_it_was_is_kept(host: HostFolder) -> None:
    before = (
        '# mine\nlanguage = "zh-TW"\n[web]\nport = 7861\n[quota.tiers."my friends"]\n'
        f'people = ["discord:1"]\nweight = 3\n[telegram]\ntoken = "{TELEGRAM_TOKEN}"\n'
    )
    (host.folder / "sugarbot.toml").write_text(before)
    (host.folder / "sugarbot.toml").chmod(0o600)
    code, output = host.run()
    assert code == 0, output
    assert host.settings["web"] == {"port": 7861}
    assert host.settings["quota"]["tiers"] == {"my friends": {"people": ["discord:1"], "weight": 3}}
    assert host.settings["language"] == "zh-TW"
    assert TELEGRAM_TOKEN not in (host.folder / "sugarbot.toml").read_text()
    assert f"TELEGRAM_TOKEN={TELEGRAM_TOKEN}" in host.tokens
    kept = host.folder / "sugarbot.toml.bak"
    assert kept.read_text() == before
    assert mode_of(kept) == 0o600
    written = (host.folder / "sugarbot.toml").read_bytes()
    assert host.run()[0] == 0
    assert (host.folder / "sugarbot.toml").read_bytes() == written
    assert kept.read_text() == before


@pytest.mark.parametrize("words", [[], ["--claim"]])
def test_a_data_folder_of_other_files_is_refused_before_anything_is_written(
    words: list[str], host: HostFolder
) -> None:
    (host.folder / "home").mkdir()
    (host.folder / "home" / "letter.txt").touch()
    host.patch.setenv("SUGARBOT_DATA_DIR", "home")
    code, output = host.run(*words)
    assert code == 1
    assert "Set data_dir to a new or an empty folder" in output
    assert not (host.folder / "sugarbot.toml").exists()
    assert [path.name for path in (host.folder / "home").iterdir()] == ["letter.txt"]


def test_a_data_folder_that_cannot_be_written_is_refused_before_any_question(host: HostFolder) -> None:
    (host.folder / "file").touch()
    host.patch.setenv("SUGARBOT_DATA_DIR", "file")
    code, output = host.run()
    assert code == 1
    assert output.startswith("file can't be used: it is not a folder.")
    assert not (host.folder / "sugarbot.toml").exists()


@pytest.mark.parametrize(
    "words", [["--loras", "nowhere"], ["--weights", "damaged"], ["--owner", "telegram:x"]]
)
def test_a_set_up_that_fails_leaves_the_files_as_they_were(words: list[str], host: HostFolder) -> None:
    (host.folder / "damaged").mkdir()
    before = 'language = "zh-TW"\n[web]\nport = 7861\n'
    (host.folder / "sugarbot.toml").write_text(before)
    code, output = host.run("--language", "en", *words)
    assert code == 1, output
    assert (host.folder / "sugarbot.toml").read_text() == before
    assert not (host.folder / "sugarbot.toml.bak").exists()


def test_settings_with_a_fault_are_left_alone(host: HostFolder) -> None:
    (host.folder / "sugarbot.toml").write_text("web.port = -1")
    code, output = host.run("--weights", "built-in")
    assert code == 1
    assert "web.port" in output
    assert (host.folder / "sugarbot.toml").read_text() == "web.port = -1"


def test_a_line_in_the_token_file_that_is_none_is_not_lost(host: HostFolder) -> None:
    (host.folder / "tokens.env").write_text("MINE=1\n")
    code, output = host.run()
    assert code == 1
    assert "line 1" in output
    assert host.tokens == "MINE=1\n"


def test_a_token_file_that_others_read_becomes_private(host: HostFolder) -> None:
    (host.folder / "tokens.env").write_text(f"TELEGRAM_TOKEN={TELEGRAM_TOKEN}\n")
    (host.folder / "tokens.env").chmod(0o644)
    assert host.run()[0] == 0
    assert mode_of(host.folder / "tokens.env") == 0o600


def test_another_file_gets_its_own_tokens(host: HostFolder) -> None:
    (host.folder / "etc").mkdir()
    host.patch.setenv("TELEGRAM_TOKEN", TELEGRAM_TOKEN)
    assert host.run("--config", "etc/sugarbot.toml")[0] == 0
    assert {path.name for path in (host.folder / "etc").iterdir()} == {"sugarbot.toml", "tokens.env"}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("option", "value", "example"),
    [
        ("--owner", "somebody", "discord:123456789"),
        ("--owner", "discord:1,discord:2", "discord:123456789"),
        ("--weights", "nowhere", "built-in"),
        ("--weights", "owner/model", "built-in"),
        ("--endpoint", "not an address", "https://"),
        ("--telegram-proxy", "ftp://x", "socks5://"),
    ],
)
def test_a_refused_value_is_named_by_its_option_before_anything_is_written(
    option: str, value: str, example: str, language: str, host: HostFolder
) -> None:
    code, output = host.run("--language", language, option, value)
    assert code == 1
    line = output.splitlines()[-1]
    assert line.startswith(f"- {option} ")
    assert value in line or option in ("--endpoint", "--telegram-proxy")  # which may hold a password
    assert example in line
    assert "[" not in line  # an example of the settings file
    assert not foreign(output.replace(value, ""), language)
    assert not (host.folder / "sugarbot.toml").exists()


@pytest.mark.parametrize("words", [[], ["--claim"]])
def test_a_language_that_is_none_of_ours_is_refused_whatever_the_environment_says(
    words: list[str], host: HostFolder
) -> None:
    host.patch.setenv("SUGARBOT_LANGUAGE", "en")
    code, output = host.run("--language", "fr", *words)
    assert code == 1
    assert "--language must be en, zh-CN or zh-TW, not 'fr'" in output
    assert list(host.folder.iterdir()) == []
