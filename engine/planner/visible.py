"""The rules by which CUDA reads ``CUDA_VISIBLE_DEVICES``.

NVIDIA documents only some of them. The others were measured with ``cuInit`` of driver 580 on an H200:

* A number may follow white space and a sign, and anything may follow it (``0abc`` is 0), and counts
  modulo 2^32.
* A UUID must begin with ``GPU-``, without white space before it. Its digits may be upper case, lack the
  hyphens and stop early, as long as one GPU alone begins with them. What follows the digits is ignored.
* The first entry decides between numbers and UUIDs. The list ends before the first entry that is invalid or
  of the other kind.
* A GPU that is named twice makes CUDA refuse every device.
"""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"\s*([+-]?)(\d+)")
_UUID = re.compile(r"GPU-([0-9A-Fa-f][0-9A-Fa-f-]*)")
_MOST = 2**64 - 1  # a larger number becomes the largest, which is -1


def visible_gpus(value: str | None, uuids: Sequence[str]) -> tuple[int, ...]:
    """Return the GPUs that CUDA enumerates, in its order.

    Args:
        value: Of ``CUDA_VISIBLE_DEVICES``; None if it is not set. Not for MIG instances.
        uuids: Of the machine's GPUs, by their number.
    """
    if value is None:
        return tuple(range(len(uuids)))
    entries = value.split(",")
    is_by_uuid = _UUID.match(entries[0]) is not None
    gpus: list[int] = []
    for entry in entries:
        gpu = _by_uuid(entry, uuids) if is_by_uuid else _by_number(entry, len(uuids))
        if gpu is None:
            break
        if gpu in gpus:
            return ()
        gpus.append(gpu)
    return tuple(gpus)


def _by_number(entry: str, count: int) -> int | None:
    match = _NUMBER.match(entry)
    if match is None or int(match[2]) > _MOST:
        return None
    number = int(match[1] + match[2]) % 2**32
    return number if number < count else None


def _by_uuid(entry: str, uuids: Sequence[str]) -> int | None:
    match = _UUID.match(entry)
    if match is None:
        return None
    wanted = _digits(match[1])
    gpus = [gpu for gpu, uuid in enumerate(uuids) if _digits(uuid.removeprefix("GPU-")).startswith(wanted)]
    return gpus[0] if len(gpus) == 1 else None


def _digits(uuid: str) -> str:
    return uuid.replace("-", "").lower()
