"""Main memory, within the limits of the process's control group.

A container or a service with a memory limit is killed at that limit, however much the machine has free.
"""

from pathlib import Path

import psutil

SYSTEM = Path("/")


def read_main_memory(root: Path = SYSTEM) -> tuple[int, int]:
    """Return the bytes that this process and its children may use in all, and the free ones of them.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    for group in _groups(root):
        if (limits := _limits(group)) is not None:
            total, free = min(total, limits[0]), min(free, limits[1])
    return total, free


def _groups(root: Path) -> list[Path]:
    """Return the folders of the process's memory group and of those that contain it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    groups: list[Path] = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            mount = root / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
        else:
            continue
        own = mount / path.lstrip("/")
        groups += [own, *(parent for parent in own.parents if parent.is_relative_to(mount))]
    return groups


def _limits(group: Path) -> tuple[int, int] | None:
    """Return a group's limit and how much of it is free; None if it has no limit."""
    for limit_file, usage_file in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            limit, used = int((group / limit_file).read_text()), int((group / usage_file).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        return limit, max(0, limit - used + _reclaimable(group))
    return None


def _reclaimable(group: Path) -> int:
    """Return the bytes of cached files that the kernel gives up before it ends a process."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    stat = dict(line.split(maxsplit=1) for line in lines)
    return int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
