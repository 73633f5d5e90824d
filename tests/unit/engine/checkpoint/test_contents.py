"""Checkpoints of the same name and the same shapes are distinguished."""

import os
import shutil
from pathlib import Path

from engine.checkpoint.contents import SAMPLE_BYTES, weight_files, weights_fingerprint
from engine.demo.networks import WEIGHTS


def test_a_copy_has_the_same_fingerprint_and_other_weights_another(tmp_path: Path) -> None:
    before = weights_fingerprint(WEIGHTS)
    copy = tmp_path / "copy"
    shutil.copytree(WEIGHTS, copy)
    [path] = weight_files(copy, "transformer")
    os.utime(path, ns=(1, 1))
    assert weights_fingerprint(copy) == before
    numbers = bytearray(path.read_bytes())
    numbers[-SAMPLE_BYTES * 3 // 2 :: 2] = bytes(len(numbers[-SAMPLE_BYTES * 3 // 2 :: 2]))
    path.write_bytes(numbers)  # trained further: the same sizes and the same header
    trained = weights_fingerprint(copy)
    assert trained != before
    path.write_bytes(numbers + b"0")
    assert weights_fingerprint(copy) not in (before, trained)
