"""Texts within Telegram's limits, which count UTF-16 units."""


def truncate(text: str, limit: int) -> str:
    """Shorten ``text`` to ``limit`` UTF-16 units, as Telegram counts, without splitting a character."""
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * limit:
        return text
    return units[: 2 * (limit - 1)].decode("utf-16-le", errors="ignore") + "…"
