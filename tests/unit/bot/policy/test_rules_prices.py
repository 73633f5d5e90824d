"""Credits in integers: what a picture costs, and how an allowance fills up."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.outcomes import Recipe
from bot.policy.rules import joint, price, refund, renews_at_s, top_up


def a_recipe(width_px: int, height_px: int, count: int) -> Recipe:
    return Recipe("a face", (), width_px, height_px, seed=7, count=count, steps=8)


@pytest.mark.parametrize(
    ("width_px", "height_px", "count", "credits"),
    [
        (512, 768, 1, 1),
        (1024, 1024, 1, 1),
        (848, 1248, 1, 1),  # the native area at 2:3, a little above it on the grid
        (1024, 1152, 1, 1),
        (1, 1024 * 1152 + 1, 1, 2),
        (1040, 1152, 1, 2),
        (1024, 2048, 1, 2),
        (1536, 1536, 4, 8),
        (16, 16, 3, 3),
    ],
)
def test_a_price(width_px: int, height_px: int, count: int, credits: int) -> None:
    assert price(a_recipe(width_px, height_px, count)) == credits


@given(st.integers(16, 4096), st.integers(16, 4096), st.integers(1, 4))
def test_pictures_together_cost_what_they_cost_alone(width_px: int, height_px: int, count: int) -> None:
    alone = price(a_recipe(height_px, width_px, 1))
    assert price(a_recipe(width_px, height_px, count)) == count * alone > 0


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_new_day_tops_up_the_credits_and_never_reduces_them(credits: int, daily: int) -> None:
    added = top_up(credits, daily)
    assert added >= 0
    assert credits + added == max(credits, daily)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_raised_allowance_adds_only_the_difference(credits: int, daily: int, given_today: int) -> None:
    added = top_up(credits, daily, given_today)
    assert 0 <= added <= max(0, daily - given_today)
    assert credits + added <= max(credits, daily)
    spent = max(0, given_today - credits)
    if credits <= given_today <= daily:
        assert credits + added == daily - spent


some_credits = st.integers(0, 300)


@given(some_credits, some_credits, some_credits, some_credits, some_credits)
def test_linked_people_keep_granted_credits_and_one_allowance(
    one: int, one_daily: int, other: int, other_daily: int, daily: int
) -> None:
    together = joint(one, one_daily, other, other_daily, daily)
    granted = max(0, one - one_daily) + max(0, other - other_daily)
    assert granted <= together <= one + other
    assert together <= granted + daily
    assert together == one + other or together == granted + daily


@given(st.floats(0, 4e9))
def test_credits_renew_at_the_next_midnight_utc(now_s: float) -> None:
    renewed_s = renews_at_s(now_s)
    midnight = datetime.fromtimestamp(renewed_s, tz=UTC)
    assert (midnight.hour, midnight.minute, midnight.second) == (0, 0, 0)
    assert 0 < renewed_s - now_s <= 86_400


@given(st.integers(0, 1_000), st.integers(1, 4), st.data())
def test_a_refund_is_everything_for_no_picture_and_nothing_for_all(
    price: int, count: int, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, count))
    credits = refund(price, count, count - kept)
    assert 0 <= credits <= price
    assert (credits == price) or kept
    assert (credits == 0) or kept < count
    assert (price - credits) * count <= price * kept


@given(st.integers(0, 1_000), st.integers(1, 4), st.data())
def test_the_pictures_of_a_cancelled_job_are_paid_for_rounded_up(
    price: int, count: int, data: st.DataObject
) -> None:
    """Four drafts for one credit would be free if they were cancelled at the last."""
    kept = data.draw(st.integers(0, count))
    paid = price - refund(price, count, count - kept, is_cancelled=True)
    assert price * kept <= paid * count < price * kept + count


def test_a_refund_is_rounded_up() -> None:
    for paid, count, kept, credits in ((4, 4, 1, 3), (5, 4, 3, 2), (5, 3, 1, 4), (1, 4, 3, 1), (8, 4, 2, 4)):
        assert refund(paid, count, count - kept) == credits
