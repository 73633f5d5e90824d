"""The list of all settings: what it says of each is what ``load_settings`` does."""

import tomllib
from pathlib import Path

import pytest

from bot.settings import EXAMPLE_COMMIT, Settings, every_setting, load_settings

SETTINGS = {setting.name: setting for setting in every_setting()}
PASSWORD = "web.operator_password"
TOKENS = [name for name in SETTINGS if name.endswith(".token")]
OTHERS = [name for name in SETTINGS if name not in TOKENS]
NEEDED = {"engine.model": {"SUGARBOT_ENGINE__REVISION": EXAMPLE_COMMIT}}  # by the example of a setting


def as_toml(values: dict[str, str]) -> str:
    """Settings by dotted name, as a file with dotted keys."""
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def test_the_defaults_are_those_of_an_empty_file() -> None:
    written = {name: each.default for name, each in SETTINGS.items() if each.default and "NAME" not in name}
    assert Settings.model_validate(tomllib.loads(as_toml(written))) == Settings()


@pytest.mark.parametrize("name", OTHERS)
def test_the_example_in_the_file_and_in_the_variable_sets_the_same(name: str, tmp_path: Path) -> None:
    setting = SETTINGS[name]
    file = tmp_path / "example.toml"
    file.write_text(as_toml({name: setting.example}), encoding="utf-8")
    value = tomllib.loads(f"value = {setting.example}")["value"]
    written = ",".join(value) if isinstance(value, list) else str(value)
    more = NEEDED.get(name, {})
    file.chmod(0o600)
    variable = setting.variables[0]
    from_variable = load_settings(None, {variable: written.replace("True", "true"), **more})
    if "NAME" in name:  # the environment has no lower case
        file.write_text(as_toml({name.replace("NAME", "name"): setting.example}), encoding="utf-8")
    from_file = load_settings(file, more)
    assert from_file == from_variable
    assert setting.must_be
    if setting.example != setting.default:
        assert from_file != load_settings(None, more)


def test_each_variable_of_the_password_sets_it(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a gate of jade\n", encoding="utf-8")
    assert len(SETTINGS[PASSWORD].variables) == 2
    for variable in SETTINGS[PASSWORD].variables:
        value = str(tmp_path / "password") if variable.endswith("_FILE") else "a gate of jade"
        kept = load_settings(None, {variable: value}).web.operator_password
        assert kept is not None
        assert kept.matches("a gate of jade")
    assert SETTINGS[PASSWORD].is_secret


@pytest.mark.parametrize("name", TOKENS)
def test_each_variable_of_a_token_sets_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token\n", encoding="utf-8")
    for variable in SETTINGS[name].variables:
        value = str(tmp_path / "token") if variable.endswith("_FILE") else "a-token"
        assert load_settings(None, {variable: value}).secrets() == ("a-token",)
    assert SETTINGS[name].is_secret
