"""One frozen ``Settings`` from ``sugarbot.toml`` and the environment; every bad value is reported at once.

The file is the given path, else ``SUGARBOT_CONFIG``, else ``./sugarbot.toml`` where there is one. Every
setting can also come from the environment, which wins: ``SUGARBOT_WEB__PORT=7861``. Tokens may come as
``DISCORD_TOKEN`` and ``TELEGRAM_TOKEN``, or from the file that ``DISCORD_TOKEN_FILE`` names. Where no setting
names a language, it is that of ``SUGARBOT_LANG``, ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``.

Nothing else reads the environment. Tests of this room alone: ``pytest tests/unit/bot/test_settings.py``.
"""

from bot.settings.language import expected_language
from bot.settings.load import load_settings, settings_file, token_file_variable
from bot.settings.sections import EXAMPLE_COMMIT, Settings

__all__ = [
    "EXAMPLE_COMMIT",
    "Settings",
    "expected_language",
    "load_settings",
    "settings_file",
    "token_file_variable",
]
