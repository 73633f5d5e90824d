"""Which GPUs CUDA shows. The single-card rows are what ``cuInit`` of driver 580 did on an H200."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planner.visible import visible_gpus

ONE = ["GPU-b5aad80c-0afb-7711-3b63-0ebed6d98a28"]
UUID = ONE[0]
DIGITS = UUID.removeprefix("GPU-")
THREE = [
    "GPU-8d93f2a1-0000-0000-0000-000000000001",
    "GPU-8d10aaaa-0000-0000-0000-000000000002",
    "GPU-41fe0000-0000-0000-0000-000000000003",
]


@pytest.mark.parametrize(
    "value",
    [
        None, "0", "0,-1", "0,1", " 0", "0 ", "\t0", " 0, 1", "+0", "-0", "00", "0x0", "0abc", "0,abc", "0.5",
        "0,", "0;1", "00000000000000000000000", "4294967296", UUID, "GPU-b5", "GPU-b", f"{UUID}x",
        UUID.upper(), "GPU-B5",
        f"{UUID},0", f"0,{UUID}", f"{UUID},", f"{UUID} ", f"GPU-{DIGITS.replace('-', '')}",
        f"GPU-{DIGITS[:8]}",
    ],
)  # fmt: skip
def test_the_card_is_shown_as_the_driver_showed_it(value: str | None) -> None:
    assert visible_gpus(value, ONE) == (0,)


@pytest.mark.parametrize(
    "value",
    [
        "", "1", "-1", "-1,0", "0,0", "1,0", "abc", "NoDevFiles", "GPU-", "GPU", "G", "GPU-zz", DIGITS,
        "b5aa", f"{UUID},{UUID}", f"GPU-b5,{UUID}", f" {UUID}", ",0", ",", "all", "none", "void",
        f"gpu-{DIGITS}", "99999999999999999999", "18446744073709551616",
    ],
)  # fmt: skip
def test_the_card_is_hidden_as_the_driver_hid_it(value: str) -> None:
    assert visible_gpus(value, ONE) == ()


@pytest.mark.parametrize(
    ("value", "gpus"),
    [
        (None, (0, 1, 2)),
        ("2,1", (2, 1)),
        ("0,2,-1,1", (0, 2)),
        ("0,-1,1", (0,)),
        ("1,7,2", (1,)),
        ("2,0,2", ()),
        ("GPU-41,GPU-8d9", (2, 0)),
        ("GPU-8d", ()),  # two begin like this
        ("GPU-41,GPU-8d,GPU-8d1", (2,)),
        ("GPU-41,1", (2,)),
        ("1,GPU-41", (1,)),
        ("GPU-41,GPU-41fe", ()),
    ],
)
def test_of_several_cards_those_are_shown_that_come_before_the_first_invalid_entry(
    value: str | None, gpus: tuple[int, ...]
) -> None:
    assert visible_gpus(value, THREE) == gpus


def test_without_cards_none_is_shown() -> None:
    assert visible_gpus(None, []) == visible_gpus("0", []) == visible_gpus("GPU-8d", []) == ()


@given(st.text("0123, -+GPU8dxMIG/", max_size=30))
def test_any_setting_shows_cards_of_this_machine_each_once(value: str) -> None:
    gpus = visible_gpus(value, THREE)
    assert len(set(gpus)) == len(gpus)
    assert set(gpus) <= {0, 1, 2}
