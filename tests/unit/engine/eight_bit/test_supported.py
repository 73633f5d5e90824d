"""Which card multiplies in which format."""

import pytest

from engine.config import WeightFormat
from engine.eight_bit.supported import is_supported

BF16, FP8, INT8 = WeightFormat.BF16, WeightFormat.FP8, WeightFormat.INT8


@pytest.mark.parametrize(
    ("capability", "formats"),
    [
        ((7, 0), {BF16}),  # Volta
        ((7, 5), {BF16, INT8}),  # Turing
        ((8, 0), {BF16, INT8}),  # A100
        ((8, 6), {BF16, INT8}),  # RTX 3060
        ((8, 9), {BF16, INT8, FP8}),  # RTX 4060
        ((9, 0), {BF16, INT8, FP8}),  # H200
        ((12, 0), {BF16, INT8, FP8}),  # RTX 5090
    ],
)
def test_a_card_has_the_formats_of_its_generation(
    capability: tuple[int, int], formats: set[WeightFormat]
) -> None:
    assert {each for each in WeightFormat if is_supported(each, capability)} == formats
