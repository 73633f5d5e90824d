"""Sizes in bytes as people read them, in binary units."""

MIB = 2**20
GIB = 2**30


def in_mib(count_bytes: int, digits: int = 1) -> str:
    """The number of MiB, without the unit."""
    return f"{count_bytes / MIB:.{digits}f}"


def in_gib(count_bytes: int, digits: int = 1) -> str:
    """The number of GiB, without the unit, for a sentence that contains the unit."""
    return f"{count_bytes / GIB:.{digits}f}"


def format_gib(count_bytes: int, digits: int = 1) -> str:
    """The number of GiB with its unit, as ``1.5 GiB``."""
    return f"{in_gib(count_bytes, digits)} GiB"
