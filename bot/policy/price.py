"""Credits: what a picture costs, and how the daily allowance fills up. Integers only, so sums never drift."""

DAY_S = 86_400

CREDIT_AREA_PX = 1024 * 1152
"""The area one credit pays for: Z-Image's native megapixel (1024 × 1024) and an eighth more, because a shape
rounded to the model's 16-pixel grid may be a little larger. Time and memory of a picture grow with its
area, so a picture of twice the area costs two."""


def price(width_px: int, height_px: int, count: int) -> int:
    """Credits of ``count`` pictures of this size: one for each started ``CREDIT_AREA_PX`` of each picture."""
    return count * max(1, -(-width_px * height_px // CREDIT_AREA_PX))


def refund(price: int, count: int, missing: int) -> int:
    """Credits back for ``missing`` of a job's ``count`` pictures, rounded up."""
    return -(-price * missing // count)


def top_up(credits: int, daily: int, given: int = 0) -> int:
    """Credits to add up to the daily allowance, of which ``given`` were added today; never negative."""
    return max(0, min(daily - given, daily - credits))


def joint(one: int, one_daily: int, other: int, other_daily: int, daily: int) -> int:
    """Credits of two people who become one person with the allowance ``daily``.

    Credits above the allowance of each were granted and stay in full. The rest comes from their allowances;
    one person has one allowance, so it counts up to ``daily``. The result is never more than both had.
    """
    granted = max(0, one - one_daily) + max(0, other - other_daily)
    return granted + min(daily, one + other - granted)


def renews_at_s(now_s: float) -> int:
    """The next 00:00 UTC after ``now_s``, both in unix seconds."""
    return (int(now_s // DAY_S) + 1) * DAY_S
