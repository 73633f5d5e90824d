"""Each setting and each table of settings has a sentence in both languages, and no other name has one."""

import pytest

from bot.languages import LOCALES
from bot.messages.settings import meaning_of
from bot.messages.settings.meanings import MEANINGS
from bot.settings import every_setting


def test_each_setting_and_each_table_has_a_meaning() -> None:
    names = [setting.name for setting in every_setting()]
    tables = {setting.section for setting in every_setting()} - {""}
    assert len(set(names)) == len(names) > 30
    assert set(MEANINGS) == {*names, *tables}


@pytest.mark.parametrize("name", MEANINGS)
def test_a_meaning_is_a_sentence_in_each_language(name: str) -> None:
    shown = [meaning_of(name, locale) for locale in LOCALES]
    assert len(set(shown[:2])) == 2
    for sentence in shown:
        assert sentence.endswith((".", "。"))
        assert len(sentence) <= 140  # a comment line in sugarbot.toml
