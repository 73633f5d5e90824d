"""The files that the settings come from, and whether they look as before."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from bot.settings.listing import PASSWORD_FILE_VARIABLE
from bot.settings.load import FILE_NAME, load_settings, settings_file
from bot.settings.sections import Settings
from bot.settings.token_file import token_file

Looks = tuple[tuple[int, int, int] | None, ...]
"""Inode, size and time of change in ns of each file; None where there is no regular file."""


class SettingsFiles:
    """Reads the settings, and tells by a look whether it would read others now.

    Make it before the settings are read for the first time: what changes later is a change.

    Args:
        config: The settings file that the command line names; None for the default.
        environ: The environment; None for this process's own.

    Attributes:
        first: How the files looked at first.
    """

    def __init__(self, config: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._config = config
        self._environ = os.environ if environ is None else environ
        file = settings_file(config, self._environ) or Path(FILE_NAME)
        password = self._environ.get(PASSWORD_FILE_VARIABLE)
        self._paths = (file, token_file(file), *([Path(os.path.expanduser(password))] if password else []))
        self.first = self.look()

    def look(self) -> Looks:
        """Return how the files look; blocking. A pipe never changes: what it gave is gone."""
        return tuple(_look_of(path) for path in self._paths)

    def read(self) -> Settings:
        """Read the settings; blocking.

        Raises:
            BadSettings: ``problems`` lists everything to correct.
        """
        return load_settings(self._config, self._environ)


def _look_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
