"""Reading stretches of an open file, whatever number of bytes the system returns at once."""

import os


def read_into(descriptor: int, buffer: memoryview, offset_bytes: int) -> int:
    """Read until the buffer is full or the file ends; return the number of bytes.

    Args:
        descriptor: An open file; its position is neither used nor changed.
        buffer: Writable, one byte an element.
        offset_bytes: Where to begin in the file.
    """
    count = 0
    while count < len(buffer):
        more = os.preadv(descriptor, [buffer[count:]], offset_bytes + count)
        if not more:
            break
        count += more
    return count


def read_fully(descriptor: int, buffer: memoryview, offset_bytes: int) -> None:
    """Fill the whole buffer; see ``read_into``.

    Raises:
        OSError: The file ends earlier.
    """
    if read_into(descriptor, buffer, offset_bytes) < len(buffer):
        raise OSError("A file became shorter while it was read.")
