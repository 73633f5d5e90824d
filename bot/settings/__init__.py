"""One frozen ``Settings`` from ``sugarbot.toml`` and the environment; all problems are reported at once.

The file is the given path, else ``SUGARBOT_CONFIG``, else ``./sugarbot.toml`` if it exists. The environment
can override every setting: ``SUGARBOT_WEB__PORT=7861``. Tokens can come from ``DISCORD_TOKEN`` and
``TELEGRAM_TOKEN``, from the file that ``DISCORD_TOKEN_FILE`` names, or from ``tokens.env`` beside the file;
the password of the page's operator tab from the file that ``SUGARBOT_WEB__OPERATOR_PASSWORD_FILE`` names.
If no setting names a language, ``SUGARBOT_LANG``, ``LC_ALL``, ``LC_MESSAGES`` or ``LANG`` does.

* ``sections``    the settings with their checks
* ``live``      the settings that count now
* ``load``        reads file and environment, and describes each problem
* ``files``     the files, and whether they look as before
* ``token_file``  ``tokens.env``, which holds the tokens
* ``password``    the hash of a password
* ``language``    the host's language before the settings are read
* ``variables``   the environment variables, and which of those with our prefix are unknown
* ``listing``     every setting with its variables, default and example, for references

Why not pydantic-settings (tried: 2.16.3). Its sources raise at the first value that they cannot parse, before
validation, so they do not report all problems at once: a list in ``SUGARBOT_HOSTS`` must be JSON (or opt out
with NoDecode), and a SettingsError about it hides a wrong port; a TOML error is a TOMLDecodeError without the
path. It ignores a misspelt variable such as ``SUGARBOT_WEBB__PORT``, has no ``…_TOKEN_FILE`` variables, and
does not notice a token file that others can read. We would have to replace each of its sources; pydantic
itself validates what ``load`` collects.

Tests of this package: ``pytest tests/unit/bot/settings``.
"""

from bot.settings.files import SettingsFiles
from bot.settings.language import expected_language
from bot.settings.listing import PASSWORD_FILE_VARIABLE, ListedSetting, every_setting
from bot.settings.load import (
    environment_tokens,
    load_settings,
    read_values,
    settings_file,
    settings_of,
    token_file_variable,
)
from bot.settings.password import PasswordHash
from bot.settings.sections import EXAMPLE_COMMIT, Settings
from bot.settings.token_file import WITH_TOKENS, read_tokens, token_file, write_tokens
from bot.settings.variables import unknown_variables

__all__ = [
    "EXAMPLE_COMMIT",
    "PASSWORD_FILE_VARIABLE",
    "WITH_TOKENS",
    "ListedSetting",
    "PasswordHash",
    "Settings",
    "SettingsFiles",
    "environment_tokens",
    "every_setting",
    "expected_language",
    "load_settings",
    "read_tokens",
    "read_values",
    "settings_file",
    "settings_of",
    "token_file",
    "token_file_variable",
    "unknown_variables",
    "write_tokens",
]
