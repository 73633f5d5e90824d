"""Credits in integers: what a picture costs, and how an allowance fills up."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policy.price import price, renews_at_s, top_up


@pytest.mark.parametrize(
    ("width_px", "height_px", "count", "credits"),
    [
        (512, 768, 1, 1),
        (1024, 1024, 1, 1),
        (848, 1248, 1, 1),  # the native area at 2:3, a little above it on the grid
        (1024, 1152, 1, 1),
        (1040, 1152, 1, 2),
        (1024, 2048, 1, 2),
        (1536, 1536, 4, 8),
        (16, 16, 3, 3),
    ],
)
def test_a_price(width_px: int, height_px: int, count: int, credits: int) -> None:
    assert price(width_px, height_px, count) == credits


@given(st.integers(16, 4096), st.integers(16, 4096), st.integers(1, 4))
def test_pictures_together_cost_what_they_cost_alone(width_px: int, height_px: int, count: int) -> None:
    assert price(width_px, height_px, count) == count * price(height_px, width_px, 1) > 0


@given(st.integers(-100, 1000), st.integers(0, 1000))
def test_a_new_day_fills_up_and_never_takes(credits: int, daily: int) -> None:
    added = top_up(credits, daily)
    assert added >= 0
    assert credits + added == max(credits, daily)


@given(st.floats(0, 4e9))
def test_credits_renew_at_the_next_midnight_utc(now_s: float) -> None:
    renewed_s = renews_at_s(now_s)
    midnight = datetime.fromtimestamp(renewed_s, tz=UTC)
    assert (midnight.hour, midnight.minute, midnight.second) == (0, 0, 0)
    assert 0 < renewed_s - now_s <= 86_400
