"""The reference of the settings: a table for each table of ``sugarbot.toml``."""

from itertools import groupby

from bot.messages import text
from bot.messages.settings import meaning_of
from bot.settings import ListedSetting, every_setting
from bot.settings.live import PASSWORD, is_live
from tests.docs.markdown import code, plain, table

HEAD = {
    "en": ("setting", "what it means", "values", "default", "example", "variable"),
    "zh-CN": ("设置", "含义", "可用的值", "默认值", "例子", "环境变量"),
}

AT_ONCE = {"en": "*Counts at once.*", "zh-CN": "*改后马上生效。*"}
CHANGED_AT_ONCE = {
    "en": "*Counts at once, and ends all logins; that it was removed counts after a restart.*",
    "zh-CN": "*改后马上生效，所有登录都会结束；删掉它要重启才生效。*",
}


def settings_part(locale: str) -> str:
    """Return all settings, in the order of ``bot.settings``."""
    parts = []
    for section, settings in groupby(every_setting(), lambda setting: setting.section):
        if section:
            parts.append(f"### `[{section}]`\n\n{plain(meaning_of(section, locale))}")
        parts.append(table(HEAD[locale], [_row(each, locale) for each in settings]))
    return "\n\n".join(parts)


def _row(setting: ListedSetting, locale: str) -> tuple[str, ...]:
    at_once = (CHANGED_AT_ONCE if setting.name == PASSWORD else AT_ONCE)[locale]
    return (
        code(setting.key),
        plain(meaning_of(setting.name, locale)) + (f"<br>{at_once}" if is_live(setting.name) else ""),
        plain(text(setting.must_be, locale)),
        code(setting.default),
        code(setting.example),
        "<br>".join(map(code, setting.variables)),
    )
