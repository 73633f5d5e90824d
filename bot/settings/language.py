"""The host's language, also before the settings are read: for ``--help``, usage errors and bad settings."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

LANGUAGE = "SUGARBOT_LANGUAGE"  # the setting ``language``
SHORT = "SUGARBOT_LANG"
_VARIABLES = (SHORT, "LC_ALL", "LC_MESSAGES", "LANG")


def default_language(environ: Mapping[str, str]) -> str:
    """The language where no setting names one: ``SUGARBOT_LANG``, else the system's; ``en`` or ``zh-CN``."""
    code = next((environ[name] for name in _VARIABLES if environ.get(name)), "")
    return _known(code)


def expected_language(path: Path | None, environ: Mapping[str, str]) -> str:
    """The language that the settings will have, as far as they can be read; never raises. Blocking.

    Args:
        path: The settings file; None where there is none.
        environ: The environment.
    """
    if environ.get(LANGUAGE):
        return _known(environ[LANGUAGE])
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("language") if path else None
    except (OSError, ValueError):
        written = None
    return _known(written) if isinstance(written, str) else default_language(environ)


def _known(code: str) -> str:
    """Any way to write Chinese, as ``zh_CN.UTF-8``; everything else is English."""
    return "zh-CN" if code.lower().replace("_", "-").split(".")[0].split("-")[0] == "zh" else "en"
