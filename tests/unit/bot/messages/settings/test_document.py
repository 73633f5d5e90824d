"""The commented settings file says what every setting means, keeps every value, and can be read back."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.languages import LOCALES
from bot.messages.settings import commented_settings, meaning_of
from bot.settings import Settings, every_setting, settings_of

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def read(values: dict[str, Any], locale: str = "en") -> dict[str, Any]:
    """What the file says, without the tables that are there for their comments alone."""
    found = tomllib.loads(commented_settings(values, locale))
    return {name: value for name, value in found.items() if value != {}}


@pytest.mark.parametrize("locale", LOCALES)
def test_without_values_every_setting_is_explained_and_has_its_default(locale: str) -> None:
    written = commented_settings({}, locale)
    assert settings_of(tomllib.loads(written), {}, {}) == Settings()
    for setting in every_setting():
        if setting.key != "token":
            assert f"# {meaning_of(setting.name, locale)}\n" in written
            assert f"\n#{setting.key} = " in written


def test_the_defaults_are_right_without_their_mark() -> None:
    lines = commented_settings({}, "en").splitlines()
    opened = [line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines]
    for example in ("#[quota.tiers.NAME]", "operator_password", "lora_dir"):
        assert any(example in line for line in lines)
    values = tomllib.loads("\n".join(opened))
    del values["quota"]["tiers"], values["engine"]["lora_dir"], values["web"]["operator_password"]
    assert settings_of(values, {}, {}) == Settings()


def test_a_token_is_never_written() -> None:
    written = commented_settings({"telegram": {"token": "123:secret", "proxy": "http://x"}}, "en")
    assert "secret" not in written
    assert "token =" not in written


@given(TEXTS, TEXTS, st.booleans(), st.integers(-(2**40), 2**40), st.floats(-1e9, 1e9))
def test_any_value_is_read_back(name: str, text: str, switch: bool, number: int, decimal: float) -> None:
    values = {
        "language": text,
        "hosts": [text, name],
        "web": {"enabled": switch, "port": number},
        "engine": {"step_timeout_s": decimal, "model": text},
        "quota": {"tiers": {name: {"people": [text], "weight": number}, f"{name}.": {"people": []}}},
    }
    assert read(values) == values
