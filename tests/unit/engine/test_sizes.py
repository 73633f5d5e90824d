"""Sizes as people read them."""

from engine.sizes import format_gib, in_gib, in_mib


def test_sizes_are_rounded_to_one_digit_unless_more_are_asked_for() -> None:
    assert in_gib(3 * 2**29) == "1.5"
    assert in_gib(2**30 + 2**28, digits=2) == "1.25"
    assert in_mib(159 * 2**20 + 2**19) == "159.5"
    assert format_gib(20 * 2**30) == "20.0 GiB"
