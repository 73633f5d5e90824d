"""The arithmetic of a refund; charging itself is tested by accepting, refunding by ending."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.desk.people.ledger import refund_of
from bot.store.rows import JobRow

JOB = JobRow(
    id="j", person=1, platform="web", chat_id="", ref="", locale="en", private=False, prompt="p", loras=(),
    width_px=64, height_px=64, seed=1, count=4, steps=8, price=4, created_ms=1, state="queued", attempt=0,
    accepted_order=1, started_ms=None, ended_ms=None, fail=None, cancel_requested=False, lease=None,
)  # fmt: skip


@given(st.integers(0, 1_000), st.integers(1, 4), st.data())
def test_all_comes_back_for_nothing_nothing_for_all_and_no_one_is_short_changed(
    price: int, count: int, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, count))
    refund = refund_of(replace(JOB, price=price, count=count), kept)
    assert 0 <= refund <= price
    assert (refund == price) or kept
    assert (refund == 0) or kept < count
    assert (price - refund) * count <= price * kept


def test_a_broken_credit_goes_to_the_person() -> None:
    for price, count, kept, refund in ((4, 4, 1, 3), (5, 4, 3, 2), (5, 3, 1, 4), (1, 4, 3, 1), (8, 4, 2, 4)):
        assert refund_of(replace(JOB, price=price, count=count), kept) == refund
