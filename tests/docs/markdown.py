"""Tables, and text that Markdown leaves alone."""

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Return a text for a cell or a line: Markdown shows it as it is, but for `code`."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts).replace("|", "\\|")


def code(text: str) -> str:
    """Return a text as code, for a cell or a line; empty for nothing."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of finished cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _escaped(text: str) -> str:
    return re.sub(r"([*<\\]|__)", r"\\\1", text).replace("\n", "<br>")
