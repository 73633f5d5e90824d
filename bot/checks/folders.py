"""Whether a folder is writable, before any work whose results go there."""

import errno
import os
import tempfile
from pathlib import Path


def require_writable(folder: Path) -> None:
    """Try to create a file in a folder, or in its nearest existing parent; leave nothing behind.

    Raises:
        OSError: The folder is not writable; ``filename`` is the folder.
    """
    absolute = folder.absolute()
    nearest = next(each for each in (absolute, *absolute.parents) if os.path.lexists(each))
    try:
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        tempfile.TemporaryFile(dir=nearest).close()  # without a name, so a crash leaves nothing
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(folder)) from None
