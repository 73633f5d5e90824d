"""Which page has which generated parts, and how they are put in."""

import re
from collections.abc import Callable
from pathlib import Path

from engine.planner.placement.table import card_table
from tests.docs.alerts import alerts_part
from tests.docs.cards import card_classes
from tests.docs.commands import commands_part
from tests.docs.findings import errors_part, findings_part, settings_problems_part, upgrades_part
from tests.docs.settings import settings_part
from tests.docs.shell import shell_part

ROOT = Path(__file__).resolve().parents[2]
PARTS: dict[str, Callable[[str], str]] = {
    "settings": settings_part,
    "commands": commands_part,
    "shell": shell_part,
    "findings": findings_part,
    "upgrades": upgrades_part,
    "problems": settings_problems_part,
    "errors": errors_part,
    "alerts": alerts_part,
    "cards": card_table,
    "classes": card_classes,
}
PART = re.compile(r"(<!-- (\w+): begin -->\n).*?(<!-- \2: end -->)", re.DOTALL)
PAGES = (*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md")))


def language_of(page: Path) -> str:
    """Return the language of a page: ``*.zh-CN.md`` is Chinese."""
    return "zh-CN" if page.name.endswith(".zh-CN.md") else "en"


def filled(page: Path) -> str:
    """Return the text of a page with its generated parts as they are now."""

    def part(found: re.Match[str]) -> str:
        if found[2] not in PARTS:  # of another generator
            return found[0]
        return f"{found[1]}{PARTS[found[2]](language_of(page))}\n{found[3]}"

    return PART.sub(part, page.read_text(encoding="utf-8"))
