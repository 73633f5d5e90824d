"""The benchmarks of 8-bit products: what they measure, without a card; and their figures with one."""

import pytest
import torch

from engine.bench.eight_bit import outliers, products

FORMATS = {"bf16", "fp8", "int8"}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_every_product_pass_and_merge_is_measured_in_every_format() -> None:
    lines = products.main(["--tiny", "--device", "cpu", "--tokens", "64", "--rounds", "1"])
    found = {(line.work.partition(",")[0].partition(" [")[0], line.way.partition(",")[0]) for line in lines}
    works = ("qkv", "out", "w13", "w2", "add and norm", "swiglu", "pack", "merge")
    assert found == {(work, way) for work in works for way in FORMATS}
    assert all((line.per_second is not None) == ("[" in line.work) for line in lines)


def error(lines: list[outliers.StepError], name: str, *, is_planted: bool) -> float:
    (found,) = (line.error for line in lines if (line.name, line.is_planted) == (name, is_planted))
    return found


def require_bounded(lines: list[outliers.StepError]) -> None:
    for is_planted in (False, True):
        assert 0 < error(lines, "bf16", is_planted=is_planted) <= 0.02
        assert error(lines, "int8", is_planted=is_planted) <= 0.04
        assert error(lines, "fp8", is_planted=is_planted) <= 0.08


def test_planted_outliers_keep_every_format_near_full_precision() -> None:
    lines = outliers.main(["--tiny", "--device", "cpu"])
    require_bounded(lines)
    for name in FORMATS:  # the outliers are really there
        assert error(lines, name, is_planted=True) != error(lines, name, is_planted=False)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
def test_planted_outliers_at_real_size() -> None:
    require_bounded(outliers.main(["--device", "cuda"]))
