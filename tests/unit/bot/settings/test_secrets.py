"""Tokens and passwords: where they come from, who may read their file, and that no secret is shown."""

import json
from pathlib import Path

import pytest

from bot.errors import BadSettings
from bot.settings import PasswordHash, load_settings, sections
from tests.unit.bot.settings.reading import TOKEN, messages_of, problems, write


@pytest.mark.parametrize(
    "environ",
    [
        {"TELEGRAM_TOKEN": TOKEN},
        {"SUGARBOT_TELEGRAM__TOKEN": f" {TOKEN}\n"},
        {"SUGARBOT_TELEGRAM__TOKEN": TOKEN, "TELEGRAM_TOKEN": "another"},
        {"TELEGRAM_TOKEN_FILE": "token"},
        {"SUGARBOT_TELEGRAM__TOKEN_FILE": "token"},
    ],
)
def test_a_token_comes_from_the_environment_or_a_file(environ: dict[str, str]) -> None:
    write(Path(), f"{TOKEN}\n", "token")
    settings = load_settings(environ=environ)
    assert settings.telegram.token.get_secret_value() == TOKEN
    assert settings.secrets() == (TOKEN,)
    assert not settings.discord.token.get_secret_value()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SUGARBOT_WEB__OPERATOR_PASSWORD": "a gate of jade"},
        {"SUGARBOT_WEB__OPERATOR_PASSWORD_FILE": "password"},
    ],
)
def test_of_a_password_only_the_hash_is_kept(environ: dict[str, str]) -> None:
    write(Path(), "a gate of jade\n", "password")
    file = write(Path(), 'web.operator_password = "a gate of jade"') if not environ else None

    settings = load_settings(file, environ)

    kept = settings.web.operator_password
    assert kept is not None
    assert kept.matches("a gate of jade")
    assert not kept.matches("a gate of jada")
    assert "jade" not in f"{settings!r} {settings.model_dump()} {kept.digest!r}"
    assert settings == load_settings(file, environ)  # the same password compares equal


@pytest.mark.parametrize("password", ["short", "x" * 201, 12345678, ["a gate of jade"]])
def test_a_password_of_another_length_or_type_is_refused_and_not_repeated(password: object) -> None:
    [problem] = problems(f"web.operator_password = {json.dumps(password)}")
    assert problem.startswith("web.operator_password must be a password of 8 to 200 characters")
    assert json.dumps(password) not in problem


def test_a_password_that_others_can_read_is_refused() -> None:
    path = write(Path(), 'web.operator_password = "a gate of jade"')
    path.chmod(0o644)
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    assert "chmod 600" in messages_of(caught.value)[0]


def test_a_password_composed_in_another_way_is_the_same() -> None:
    assert PasswordHash.of("caf\u00e9 au lait").matches("cafe\u0301 au lait")
    assert PasswordHash.of(200 * "\u00e9").matches(200 * "e\u0301")
    assert PasswordHash.of(200 * "e\u0301").matches(200 * "\u00e9")


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_an_empty_or_missing_file_of_the_password_is_refused(content: str | None) -> None:
    if content is not None:
        write(Path(), content, "password")
    with pytest.raises(BadSettings) as caught:
        load_settings(environ={"SUGARBOT_WEB__OPERATOR_PASSWORD_FILE": "password"})
    [problem] = messages_of(caught.value)
    assert problem.startswith("SUGARBOT_WEB__OPERATOR_PASSWORD_FILE must name a readable file")


def test_an_empty_password_is_none() -> None:
    assert load_settings(environ={"SUGARBOT_WEB__OPERATOR_PASSWORD": ""}).web.operator_password is None


def test_no_secret_is_shown() -> None:
    environ = {"DISCORD_TOKEN": TOKEN, "SUGARBOT_DISCORD__PROXY": "http://me:passw0rd@127.0.0.1:1"}
    settings = load_settings(environ=environ)
    for shown in (repr(settings), str(settings), repr(settings.discord), settings.model_dump_json()):
        assert "secret" not in shown
    assert "passw0rd" not in repr(settings)
    assert set(settings.secrets()) == {TOKEN, "passw0rd"}
    mirror = load_settings(environ={"SUGARBOT_ENGINE__ENDPOINT": "https://me:passw0rd@mirror.example.org"})
    assert "passw0rd" not in repr(mirror)
    assert mirror.secrets() == ("passw0rd",)


@pytest.mark.parametrize(
    "environ",
    [
        {"DISCORD_TOKEN": f"Bot {TOKEN}"},
        {"SUGARBOT_DISCORD": TOKEN},
        {"SUGARBOT_DISCORD__TOKEN__X": TOKEN},
        {"SUGARBOT_DISCORD__PROXY": f"ftp://me:{TOKEN}@127.0.0.1"},
        {"SUGARBOT_DISCORD__TOKN": TOKEN},
        {"SUGARBOT_ENGINE__ENDPOINT": f"ftp://me:{TOKEN}@mirror.example.org"},
    ],
)
def test_no_problem_repeats_a_secret(environ: dict[str, str]) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings(environ=environ)
    assert "secret" not in str(caught.value)
    assert "discord" in str(caught.value) or "endpoint" in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_can_read_is_refused(mode: int) -> None:
    path = write(Path(), f'[telegram]\ntoken = "{TOKEN}"')
    assert load_settings(path, {}).telegram.token.get_secret_value() == TOKEN
    path.chmod(mode)
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    assert "chmod 600" in messages_of(caught.value)[0]
    assert "secret" not in str(caught.value)


ADDRESSES = {
    "discord.api_base": "https://{who}discord.example.org/api",
    "discord.gateway": "wss://{who}discord.example.org",
    "telegram.base_url": "http://{who}127.0.0.1:8081/bot",
    "telegram.base_file_url": "http://{who}127.0.0.1:8081/file/bot",
    "discord.proxy": "http://{who}127.0.0.1:1080",
    "telegram.proxy": "socks5://{who}127.0.0.1:1080",
    "engine.endpoint": "https://{who}mirror.example.org",
}
MAY_BE_EMPTY = {"discord.gateway", "discord.proxy", "telegram.proxy", "engine.endpoint"}


def test_every_address_among_the_settings_is_known() -> None:
    assert {".".join(names) for names in sections.ADDRESSES} == set(ADDRESSES)


@pytest.mark.parametrize("setting", ADDRESSES)
def test_an_address_with_a_password_that_others_can_read_is_refused(setting: str) -> None:
    path = write(Path(), f'{setting} = "{ADDRESSES[setting].format(who="me:passw0rd@")}"')
    assert load_settings(path, {}).secrets() == ("passw0rd",)
    path.chmod(0o644)
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    assert "chmod 600" in messages_of(caught.value)[0]
    assert "passw0rd" not in str(caught.value)


@pytest.mark.parametrize("setting", ADDRESSES)
@pytest.mark.parametrize("value", ["http://[", "7", ""])
def test_a_wrong_address_is_named_and_an_empty_one_has_no_password(setting: str, value: str) -> None:
    path = write(Path(), f'{setting} = "{value}"' if value != "7" else f"{setting} = 7")
    path.chmod(0o644)
    if not value and setting in MAY_BE_EMPTY:
        assert load_settings(path, {}).secrets() == ()
        return
    with pytest.raises(BadSettings) as caught:
        load_settings(path, {})
    [problem] = messages_of(caught.value)
    assert problem.startswith(f"{setting} must be")


@pytest.mark.parametrize("setting", ADDRESSES)
def test_a_wrong_address_is_not_shown_because_it_may_hold_a_password(setting: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings(write(Path(), f'{setting} = "htp://me:passw0rd@127.0.0.1"'), {})
    [problem] = messages_of(caught.value)
    assert problem.startswith(f"{setting} must be")
    assert "passw0rd" not in problem


def test_a_file_without_a_secret_may_be_read_by_all() -> None:
    addresses = [f'{setting} = "{address.format(who="")}"' for setting, address in ADDRESSES.items()]
    path = write(Path(), "\n".join(["web.port = 1", *addresses]))
    path.chmod(0o644)
    assert load_settings(path, {}).web.port == 1
