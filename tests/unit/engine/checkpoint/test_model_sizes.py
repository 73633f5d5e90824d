"""The sizes that a model allows, and the nearest ones to a size that it does not."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoint import model as model_module
from engine.checkpoint.model import ModelInfo, read_model
from engine.request import LARGER
from tests.unit.engine.checkpoint.models import TURBO

SMALL = replace(
    TURBO, native_width_px=128, native_height_px=192, min_side_px=64, max_side_px=256, max_area_px=256 * 256
)


sides = st.integers(-10, 20_000)


ratios = st.integers(1, 10_000)


@pytest.mark.parametrize("model", [TURBO, SMALL])
@given(ratio_w=ratios, ratio_h=ratios)
def test_every_shape_has_a_size_that_is_allowed(model: ModelInfo, ratio_w: int, ratio_h: int) -> None:
    width, height = model.fit(ratio_w, ratio_h)
    assert model.allows(width, height)
    if 0.5 <= ratio_w / ratio_h <= 2:
        assert math.isclose(width * height, model.native_width_px * model.native_height_px, rel_tol=0.25)
        assert math.isclose(width / height, ratio_w / ratio_h, rel_tol=0.25)


@given(native_w=st.integers(4, 48), native_h=st.integers(4, 48), side=ratios)
def test_one_to_one_is_a_square_whatever_the_native_shape(native_w: int, native_h: int, side: int) -> None:
    model = replace(
        TURBO,
        native_width_px=16 * native_w,
        native_height_px=16 * native_h,
        min_side_px=16 * min(native_w, native_h),
        max_side_px=16 * max(native_w, native_h),
        max_area_px=256 * native_w * native_h,
    )
    width, height = model.fit(side, side)
    assert width == height
    assert model.allows(width, height)


def test_the_built_in_model_draws_squares_too() -> None:
    built_in = read_model(model_module.BUILT_IN_WEIGHTS)
    assert built_in.fit(1, 1) == (144, 144)
    assert built_in.nearest(1000, 1000)[0] == (144, 144)


@pytest.mark.parametrize("model", [TURBO, SMALL])
@given(width=sides, height=sides)
def test_near_any_size_up_to_three_allowed_sizes_are_returned(
    model: ModelInfo, width: int, height: int
) -> None:
    nearest = model.nearest(width, height)
    assert 1 <= len(nearest) <= 3
    assert len(set(nearest)) == len(nearest)
    assert all(model.allows(*size) for size in nearest)
    if model.allows(width, height):
        assert nearest[0] == (width, height)


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ((2, 3), (512, 768)),
        ((3, 2), (768, 512)),
        ((1, 1), (624, 624)),
        ((16, 9), (832, 464)),
        ((1, 100), (256, 1536)),
    ],
)
def test_common_shapes_of_turbo(ratio: tuple[int, int], size: tuple[int, int]) -> None:
    assert TURBO.fit(*ratio) == size


@pytest.mark.parametrize(
    "size", [(0, 512), (-16, 512), (7, 9999), (520, 520), (240, 512), (1552, 512), (1536, 1536)]
)
def test_sizes_off_the_grid_or_beyond_the_limits_are_not_allowed(size: tuple[int, int]) -> None:
    assert not TURBO.allows(*size)


@pytest.mark.parametrize("shape", [(9999, 7777), (7, 9999), (1234, 1235), (20_000, 13_000), (1552, 1040)])
def test_rounding_never_goes_beyond_the_largest_area(shape: tuple[int, int]) -> None:
    assert all(TURBO.allows(*size) for size in TURBO.nearest(*shape))


@pytest.mark.parametrize(
    ("size", "larger"),
    [
        ((1024, 1024), [(2048, 2048), (1536, 1536)]),
        ((512, 768), [(1024, 1536), (768, 1152)]),
        ((832, 464), [(1664, 928), (1232, 688)]),
        ((1024, 1536), [(1664, 2496), (1536, 2304)]),  # the area ends before the sides
        ((256, 1536), [(512, 3072), (384, 2304)]),
        ((2048, 2048), []),
        ((1664, 2496), []),
        ((1536, 1536), [(2048, 2048)]),
    ],
)
def test_a_picture_can_be_enlarged_to_twice_its_sides(
    size: tuple[int, int], larger: list[tuple[int, int]]
) -> None:
    assert TURBO.larger_sizes(*size) == tuple(larger)


def test_the_built_in_model_enlarges_once_and_gently() -> None:
    built_in = read_model(model_module.BUILT_IN_WEIGHTS)
    assert built_in.larger_strength < TURBO.larger_strength == LARGER
    assert built_in.larger_sizes(128, 192)[0] == (256, 384)
    assert built_in.larger_sizes(256, 384) == ()


@pytest.mark.parametrize("model", [TURBO, SMALL])
@given(ratio_w=st.integers(1, 100), ratio_h=st.integers(1, 100))
def test_larger_sizes_have_the_pictures_shape_and_are_allowed_with_a_start_alone(
    model: ModelInfo, ratio_w: int, ratio_h: int
) -> None:
    width, height = model.fit(ratio_w, ratio_h)
    sizes = model.larger_sizes(width, height)
    assert sizes, "every size from noise can be enlarged"
    assert list(sizes) == sorted(sizes, key=math.prod, reverse=True)
    for larger in sizes:
        assert model.allows_with_start(*larger)
        assert width * height < math.prod(larger) <= 4 * width * height
        assert math.isclose(larger[0] / larger[1], width / height, rel_tol=0.06)
    assert model.allows_with_start(width, height)


@pytest.mark.parametrize("size", [(2064, 2048), (520, 520), (240, 512), (3088, 256), (16, 16)])
def test_a_start_does_not_make_every_size_possible(size: tuple[int, int]) -> None:
    assert not TURBO.allows_with_start(*size)
    assert TURBO.allows_with_start(2048, 2048)
    assert not TURBO.allows(2048, 2048)


def test_the_nearest_size_is_the_corrected_one() -> None:
    assert TURBO.nearest(519, 775)[0] == (512, 768)
    assert TURBO.nearest(2000, 3000)[0] == (1024, 1536)
