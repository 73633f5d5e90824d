"""Results that are refused as blank."""

import numpy as np
import pytest

from engine.errors import BlankPicture
from engine.finish.image_check import check_image


def test_a_picture_with_two_tones_passes() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :, 1] = 40
    check_image(pixels, is_finite=True)


def test_a_flat_picture_with_one_spot_passes() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[40, 41] = 200
    check_image(pixels, is_finite=True)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (12, 200, 77)])
def test_one_flat_colour_is_refused(colour: tuple[int, int, int]) -> None:
    pixels = np.full((64, 96, 3), colour, np.uint8)
    with pytest.raises(BlankPicture) as caught:
        check_image(pixels, is_finite=True)
    assert caught.value.facts == {"why": "flat"}


def test_rounding_noise_on_a_flat_colour_is_still_flat() -> None:
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[::2, ::3] += 1
    with pytest.raises(BlankPicture):
        check_image(pixels, is_finite=True)


def test_values_that_were_not_finite_are_refused_with_any_pixels() -> None:
    pixels = np.arange(64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 64, 3)
    with pytest.raises(BlankPicture) as caught:
        check_image(pixels, is_finite=False)
    assert caught.value.facts == {"why": "not_finite"}
