"""SSIM: 1 for equal pictures, lower the more their structure differs, whatever the average lightness."""

import numpy as np
import pytest

from engine.demo.judge.similarity import shrunk, ssim

RANDOM = np.random.default_rng(1)
PICTURE = np.repeat(np.repeat(RANDOM.integers(40, 216, (6, 4, 3), dtype=np.uint8), 8, axis=0), 8, axis=1)


def with_noise(spread: int) -> np.ndarray:
    noise = np.random.default_rng(2).integers(-spread, spread + 1, PICTURE.shape)
    return (PICTURE.astype(int) + noise).clip(0, 255).astype(np.uint8)


def test_equal_pictures_have_one_and_noise_lowers_it() -> None:
    assert ssim(PICTURE, PICTURE) == pytest.approx(1.0)
    values = [ssim(PICTURE, with_noise(spread)) for spread in (2, 10, 40)]
    assert 1 > values[0] > values[1] > values[2] > 0
    assert ssim(PICTURE, with_noise(10)) == pytest.approx(ssim(with_noise(10), PICTURE))
    assert ssim(PICTURE, PICTURE[::-1]) < 0.5


def test_a_lighter_picture_keeps_its_structure() -> None:
    assert ssim(PICTURE, PICTURE + 10) > 0.97


def test_one_flat_picture_and_another_are_compared_by_their_lightness() -> None:
    """By the definition, with x = 100 and y = 120 everywhere."""
    flat = np.full((16, 16, 3), 100, np.uint8)
    constant = (0.01 * 255) ** 2
    expected = (2 * 100 * 120 + constant) / (100**2 + 120**2 + constant)
    assert ssim(flat, flat + 20) == pytest.approx(expected)


def test_a_picture_that_was_enlarged_is_itself_when_it_is_shrunk() -> None:
    doubled = np.repeat(np.repeat(PICTURE, 2, axis=0), 2, axis=1)
    assert ssim(shrunk(doubled, PICTURE), PICTURE) > 0.97
