"""The token file: found beside the settings, private, and every wrong line is named without its content."""

import os
import stat
from pathlib import Path

import pytest

from bot.errors import BadSettings
from bot.messages.problems import format_problem
from bot.settings import load_settings, read_tokens, read_values, settings_of, token_file, write_tokens

TOKEN = "123456:secret-secret-secret-secret-secret"


def write(text: str | bytes, path: str = "tokens.env", mode: int = 0o600) -> Path:
    file = Path(path)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def problems(environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        load_settings(environ=environ or {})
    found = caught.value.facts["problems"]
    assert isinstance(found, tuple)
    return [format_problem(problem, locale) for problem in found for locale in ("en", "zh-CN")]


def test_the_tokens_beside_the_settings_are_read_without_any_variable() -> None:
    write("# tokens\n\nDISCORD_TOKEN=abc\nexport TELEGRAM_TOKEN='1:t'\nCIVITAI_TOKEN=\n")
    settings = load_settings(environ={})
    assert settings.discord.token.get_secret_value() == "abc"
    assert settings.telegram.token.get_secret_value() == "1:t"
    assert set(settings.secrets()) == {"abc", "1:t"}


def test_they_belong_to_the_settings_file_and_not_to_the_working_directory() -> None:
    write("DISCORD_TOKEN=here")
    write("DISCORD_TOKEN=there", "etc/tokens.env")
    write("language = 'en'", "etc/sugarbot.toml")
    settings = load_settings(Path("etc/sugarbot.toml"), {})
    assert settings.discord.token.get_secret_value() == "there"


def test_the_environment_counts_before_them_and_they_before_the_settings_file() -> None:
    write("DISCORD_TOKEN=from-tokens\nTELEGRAM_TOKEN=1:tokens")
    write("[discord]\ntoken = 'from-toml'", "sugarbot.toml")
    settings = load_settings(environ={"TELEGRAM_TOKEN": "1:environ"})
    assert settings.discord.token.get_secret_value() == "from-tokens"
    assert settings.telegram.token.get_secret_value() == "1:environ"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SUGARBOT_LANG=en", ["line 1", "DISCORD_TOKEN"]),
        ("# one\nDISCORD=secret-word", ["line 2"]),
        ("DISCORD_TOKEN=secret word", ["line 1"]),
        ("MATRIX_TOKEN=secret-word", ["line 1"]),
        ("DISCORD_TOKEN='secret-word", ["line 1"]),
        (b"\xff\xfe", ["UTF-8"]),
    ],
)
def test_a_line_that_is_no_token_is_named_by_its_number_alone(text: str | bytes, words: list[str]) -> None:
    write(text)
    english, chinese = problems()
    assert all(word in english for word in words)
    assert "tokens.env" in chinese
    assert "secret" not in english + chinese


def test_a_token_file_that_others_may_read_is_refused() -> None:
    write("DISCORD_TOKEN=abc", mode=0o644)
    assert "chmod 600" in problems()[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_token_file_that_cannot_be_read_is_named() -> None:
    write("DISCORD_TOKEN=abc", mode=0)
    assert "tokens.env" in problems()[0]


def test_a_folder_in_its_place_is_named() -> None:
    Path("tokens.env").mkdir()
    assert "tokens.env" in problems()[0]


def test_written_tokens_are_private_and_are_read_back() -> None:
    path = token_file(Path("sugarbot.toml"))
    os.umask(0)
    try:
        write_tokens(
            path, {"telegram": TOKEN, "discord": "abc", "civitai": ""}, "For its owner alone.\nOther."
        )
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (
        path.read_text() == f"# For its owner alone.\n# Other.\nDISCORD_TOKEN=abc\nTELEGRAM_TOKEN={TOKEN}\n"
    )
    assert read_tokens(path, []) == {"discord": "abc", "telegram": TOKEN}


def test_settings_can_be_checked_before_they_are_written() -> None:
    values = {"web": {"port": 1000}, "language": "zh-CN"}
    settings = settings_of(values, {"discord": "abc"}, {"SUGARBOT_WEB__PORT": "2000"})
    assert (settings.web.port, settings.language) == (2000, "zh-CN")
    assert settings.discord.token.get_secret_value() == "abc"
    assert values == {"web": {"port": 1000}, "language": "zh-CN"}
    with pytest.raises(BadSettings):
        settings_of({"web": {"port": -1}}, {}, {})


def test_the_values_of_a_file_are_read_as_they_are_written() -> None:
    write("quota.tiers.patrons.weight = 3", "sugarbot.toml")
    assert read_values(Path("sugarbot.toml")) == {"quota": {"tiers": {"patrons": {"weight": 3}}}}
    assert read_values(None) == {}
    with pytest.raises(BadSettings):
        read_values(Path("missing.toml"))
