"""Main memory for blocks does not depend on what the system can do for it."""

import mmap

import pytest
import torch

from engine.zimage.residency.host_memory import HostBlock


def test_a_system_without_huge_pages_gives_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory(mmap.mmap):
        def madvise(self, *_: int) -> None:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Memory)
    block = HostBlock(1000, torch.bfloat16)
    block.numbers.fill_(3)
    assert block.numbers.sum() == 3000
