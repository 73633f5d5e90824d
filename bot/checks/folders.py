"""Whether a folder can be written, asked before any work whose results go there."""

import errno
import os
import tempfile
from pathlib import Path


def require_writable(folder: Path) -> None:
    """Prove that files can be made in a folder, or in the folder that it would be made in; nothing is left.

    Raises:
        OSError: They cannot; ``filename`` is the folder.
    """
    whole = folder.absolute()
    there = next(each for each in (whole, *whole.parents) if os.path.lexists(each))
    try:
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        tempfile.TemporaryFile(dir=there).close()  # it has no name, so a crash leaves nothing
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(folder)) from None
