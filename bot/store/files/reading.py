"""What a database says while another process may be using it. Blocking."""

import contextlib
import sqlite3
from pathlib import Path

from bot.store.files.migrate import open_in_use
from bot.store.hosting.permissions import PermissionKind


def stored_names(path: Path, kind: PermissionKind) -> tuple[str, ...]:
    """Return the names of the people or chats about which hosts decided this; none if it cannot be read."""
    if not path.is_file():
        return ()
    try:
        with contextlib.closing(open_in_use(path)) as connection:
            rows = connection.execute("SELECT name FROM permission WHERE kind = ?", (str(kind),)).fetchall()
    except sqlite3.Error:
        return ()  # of an earlier version, or damaged, which `doctor` and the start say
    return tuple(str(name) for (name,) in rows)
