"""Credits: what a picture costs, and how the daily allowance fills up. Integers only, so sums never drift."""

DAY_S = 86_400

CREDIT_AREA_PX = 1024 * 1152
"""The area one credit pays for: Z-Image's native megapixel (1024 × 1024) and an eighth more, because a shape
rounded to the model's 16-pixel grid may lie a little above it. Time and memory of a picture grow with its
area, so a picture of twice the area costs two."""


def price(width_px: int, height_px: int, count: int) -> int:
    """Credits of ``count`` pictures of this size: one for each started ``CREDIT_AREA_PX`` of each picture."""
    return count * max(1, -(-width_px * height_px // CREDIT_AREA_PX))


def top_up(credits: int, daily: int) -> int:
    """Credits to add when a new day begins: up to the daily allowance, and never taken away."""
    return max(0, daily - credits)


def renews_at_s(now_s: float) -> int:
    """The next 00:00 UTC after ``now_s``, both in unix seconds."""
    return (int(now_s // DAY_S) + 1) * DAY_S
