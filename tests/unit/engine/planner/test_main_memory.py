"""Main memory within the limits of control groups, on folders that look like the kernel's."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from engine.planner.main_memory import read_main_memory

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(total=64 * GIB, available=40 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def write(root: Path, cgroup: str, files: dict[str, object]) -> Path:
    for name, content in {"proc/self/cgroup": cgroup, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def test_without_control_groups_the_machines_memory_counts(tmp_path: Path) -> None:
    assert read_main_memory(tmp_path) == (64 * GIB, 40 * GIB)


def test_a_container_has_the_memory_below_its_limit_and_cached_files_count_as_free(tmp_path: Path) -> None:
    write(
        tmp_path,
        "0::/",
        {
            "sys/fs/cgroup/memory.max": 8 * GIB,
            "sys/fs/cgroup/memory.current": 6 * GIB,
            "sys/fs/cgroup/memory.stat": f"anon {5 * GIB}\ninactive_file {GIB}\nactive_file 7",
        },
    )
    assert read_main_memory(tmp_path) == (8 * GIB, 3 * GIB)


def test_the_tightest_of_the_group_and_those_around_it_counts(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/system.slice"
    write(
        tmp_path,
        "0::/system.slice/sugarbot.service",
        {
            f"{base}/sugarbot.service/memory.max": "max",
            f"{base}/sugarbot.service/memory.current": GIB,
            f"{base}/memory.max": 16 * GIB,
            f"{base}/memory.current": 4 * GIB,
        },
    )
    assert read_main_memory(tmp_path) == (16 * GIB, 12 * GIB)


def test_a_limit_above_the_machines_memory_changes_nothing(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": 128 * GIB, "sys/fs/cgroup/memory.current": GIB}
    assert read_main_memory(write(tmp_path, "0::/", files)) == (64 * GIB, 40 * GIB)


def test_a_group_above_its_limit_has_nothing_free(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": GIB, "sys/fs/cgroup/memory.current": 2 * GIB}
    assert read_main_memory(write(tmp_path, "0::/", files)) == (GIB, 0)


def test_the_older_kind_of_groups_is_read_too(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory/docker/abc"
    write(
        tmp_path,
        "9:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc",
        {
            f"{base}/memory.limit_in_bytes": 8 * GIB,
            f"{base}/memory.usage_in_bytes": 6 * GIB,
            f"{base}/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB}",
        },
    )
    assert read_main_memory(tmp_path) == (8 * GIB, 3 * GIB)


def test_of_the_older_kind_only_the_group_that_holds_memory_counts(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory"
    write(
        tmp_path,
        "9:cpu,cpuacct:/cores\n5:hugetlb,memory:/docker/abc\n1:name=systemd:/cores",
        {
            f"{base}/cores/memory.limit_in_bytes": GIB,
            f"{base}/cores/memory.usage_in_bytes": 0,
            f"{base}/docker/abc/memory.limit_in_bytes": 8 * GIB,
            f"{base}/docker/abc/memory.usage_in_bytes": 2 * GIB,
        },
    )
    assert read_main_memory(tmp_path) == (8 * GIB, 6 * GIB)


def test_a_group_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/unit:bot"
    files = {f"{base}/memory.max": 8 * GIB, f"{base}/memory.current": GIB}
    assert read_main_memory(write(tmp_path, "0::/unit:bot", files)) == (8 * GIB, 7 * GIB)


def test_figures_of_a_group_that_say_nothing_of_cached_files_are_read_without_them(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    files = {f"{base}/memory.max": 8 * GIB, f"{base}/memory.current": 2 * GIB}
    write(tmp_path, "0::/", {**files, f"{base}/memory.stat": "anon 5\npressure some 7 of 9"})
    assert read_main_memory(tmp_path) == (8 * GIB, 6 * GIB)
