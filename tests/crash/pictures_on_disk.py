"""What must hold of the picture files of a folder once its bot has ended."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.fakes.pictures import file_name_of


def broken_files(folder: Path) -> list[str]:
    """Return each picture without its whole file, and each file that no picture names.

    Drafts do not count: the bot removes them at its next start.
    """
    pictures = folder / "pictures"
    with closing(sqlite3.connect(folder / "sugarbot.db")) as connection:
        rows = connection.execute(
            "SELECT job, sha256, earlier_name FROM picture WHERE form <> 'expired'"
        ).fetchall()
    broken, named = [], set()
    for job, sha256, earlier_name in rows:
        name = earlier_name or file_name_of(sha256)
        named.add(name)
        path = pictures / name
        if not path.is_file() or (sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != sha256):
            broken.append(f"a picture without its whole file: {job} {name}")
    found = {str(path.relative_to(pictures)) for path in pictures.rglob("*.png")}
    return broken + [f"a file that no picture names: {name}" for name in sorted(found - named)]
