"""Shapes decide what an update is and as what it is held."""

import pytest

from engine.shelf.algorithms import (
    LOKR_RANK,
    MAX_RANK,
    ChangeKind,
    Product,
    is_complete,
    matrix_shape,
    product_of,
    vector_length,
)
from engine.shelf.layouts import Part

LOHA = (Part.HADA_LEFT_UP, Part.HADA_LEFT_DOWN, Part.HADA_RIGHT_UP, Part.HADA_RIGHT_DOWN)


def loha(left: int, right: int) -> dict[Part, tuple[int, ...]]:
    return dict(zip(LOHA, ((12, left), (left, 8), (12, right), (right, 8)), strict=True))


def lokr(*, left: int = 0, right: int = 0) -> dict[Part, tuple[int, ...]]:
    first: dict[Part, tuple[int, ...]] = {Part.LOKR_LEFT: (3, 2)}
    second: dict[Part, tuple[int, ...]] = {Part.LOKR_RIGHT: (4, 4)}
    if left:
        first = {Part.LOKR_LEFT_UP: (3, left), Part.LOKR_LEFT_DOWN: (left, 2)}
    if right:
        second = {Part.LOKR_RIGHT_UP: (4, right), Part.LOKR_RIGHT_DOWN: (right, 4)}
    return first | second


@pytest.mark.parametrize(
    ("parts", "product"),
    [
        ({Part.UP: (12, 4), Part.DOWN: (4, 8)}, Product(ChangeKind.LOW_RANK, (12, 8), 4, 4)),
        ({Part.UP: (12, 4, 1, 1), Part.DOWN: (4, 8, 1)}, Product(ChangeKind.LOW_RANK, (12, 8), 4, 4)),
        (loha(3, 5), Product(ChangeKind.LOW_RANK, (12, 8), 3, 15)),
        (loha(32, 32), Product(ChangeKind.LOW_RANK, (12, 8), 32, MAX_RANK)),
        (loha(32, 33), Product(ChangeKind.DENSE, (12, 8), 32)),
        (lokr(), Product(ChangeKind.KRONECKER, (12, 8), None, 0, ((3, 2), (4, 4)))),
        (lokr(left=1), Product(ChangeKind.KRONECKER, (12, 8), 1, 0, ((3, 2), (4, 4)))),
        (lokr(right=5), Product(ChangeKind.LOW_RANK, (12, 8), 5, 10)),
        (lokr(left=1, right=5), Product(ChangeKind.LOW_RANK, (12, 8), 5, 5)),
        (lokr(right=LOKR_RANK // 2), Product(ChangeKind.LOW_RANK, (12, 8), LOKR_RANK // 2, LOKR_RANK)),
        (
            lokr(right=LOKR_RANK // 2 + 1),
            Product(ChangeKind.KRONECKER, (12, 8), LOKR_RANK // 2 + 1, 0, ((3, 2), (4, 4))),
        ),
        ({Part.DIFF: (12, 8)}, Product(ChangeKind.DENSE, (12, 8))),
    ],
)
def test_a_product_has_a_shape_a_rank_and_a_kind(
    parts: dict[Part, tuple[int, ...]], product: Product
) -> None:
    assert is_complete(parts)
    assert product_of({**parts, Part.ALPHA: ()}) == product


@pytest.mark.parametrize(
    "parts",
    [
        {Part.UP: (12, 4), Part.DOWN: (5, 8)},
        {Part.UP: (12, 4), Part.DOWN: (4, 8, 3, 3)},
        {Part.UP: (12,), Part.DOWN: (4, 8)},
        {Part.DIFF: (12,)},
        loha(3, 5) | {Part.HADA_RIGHT_DOWN: (4, 8)},
        loha(3, 5) | {Part.HADA_RIGHT_UP: (11, 5)},
        lokr(right=5) | {Part.LOKR_RIGHT_DOWN: (4, 4)},
    ],
)
def test_matrices_that_do_not_fit_each_other_make_no_product(parts: dict[Part, tuple[int, ...]]) -> None:
    assert product_of(parts) is None


@pytest.mark.parametrize(
    "parts",
    [
        {Part.DOWN},
        {Part.ALPHA},
        {Part.MAGNITUDE},
        set(),
        {Part.UP, Part.DOWN, Part.DIFF},
        {Part.LOKR_LEFT, Part.LOKR_LEFT_UP, Part.LOKR_LEFT_DOWN, Part.LOKR_RIGHT},
        {Part.UP, Part.DOWN, Part.UP_BIAS, Part.DIFF_BIAS},
        {Part.DIFF, Part.UP_BIAS},
        set(LOHA[:3]),
    ],
)
def test_parts_that_make_no_update_are_incomplete(parts: set[Part]) -> None:
    assert not is_complete(dict.fromkeys(parts, (1, 1)))


def test_the_numbers_in_memory_count_a_shared_factor_for_each_module() -> None:
    assert Product(ChangeKind.LOW_RANK, (12, 8), 4, 4).numbers(3) == 4 * (12 + 3 * 8)
    assert Product(ChangeKind.KRONECKER, (12, 8), None, 0, ((3, 2), (4, 4))).numbers(3) == 3 * (6 + 16)
    assert Product(ChangeKind.DENSE, (12, 8)).numbers(3) == 96


def test_shapes_of_convolutions_of_one_pixel_are_those_of_matrices() -> None:
    assert [matrix_shape(each) for each in ((3, 4), (3, 4, 1, 1), (3, 4, 2), (3,), ())] == [
        *((3, 4), (3, 4)),
        *(None, None, None),
    ]
    assert [vector_length(each) for each in ((3,), (3, 1), (3, 1, 1, 1), (1, 3), ())] == [3, 3, 3, None, None]
