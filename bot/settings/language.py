"""The host's language before the settings are read: for ``--help``, usage errors and bad settings."""

import contextlib
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bot.languages import locale_of

LANGUAGE = "SUGARBOT_LANGUAGE"  # the setting ``language``
SHORT = "SUGARBOT_LANG"
_VARIABLES = (SHORT, "LC_ALL", "LC_MESSAGES", "LANG")


def default_language(environ: Mapping[str, str]) -> str:
    """Return the language without a setting: ``SUGARBOT_LANG``, else the system's."""
    code = next((environ[name] for name in _VARIABLES if environ.get(name)), "")
    return locale_of(code)


def expected_language(path: Path | None, environ: Mapping[str, str]) -> str:
    """Return the language of the settings if they can be read, else the default. Never raises; blocking.

    Args:
        path: The settings file; None without a file.
        environ: The environment.
    """
    if environ.get(LANGUAGE):
        return locale_of(environ[LANGUAGE])
    written = None
    if path and not path.is_fifo():  # a pipe may never end
        with contextlib.suppress(OSError, ValueError, RecursionError):
            written = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("language")
    return locale_of(written) if isinstance(written, str) else default_language(environ)
