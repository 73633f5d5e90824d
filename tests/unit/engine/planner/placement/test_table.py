"""The host's guide has the present table of cards; it is generated, and a stale page fails."""

from pathlib import Path

import pytest

from engine.planner.placement.cards import KNOWN_CARDS
from engine.planner.placement.table import BEGIN, END, card_table, fill, language_of, main

ROOT = Path(__file__).resolve().parents[5]
PAGES = ("docs/host-guide.md", "docs/host-guide.zh-CN.md")


@pytest.mark.parametrize("name", PAGES)
def test_the_guide_is_up_to_date(name: str) -> None:
    page = ROOT / name
    stale = f"run: python -m engine.planner.placement.table {' '.join(PAGES)}"
    assert fill(page.read_text(encoding="utf-8"), language_of(page)) == page.read_text(encoding="utf-8"), (
        stale
    )


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_known_card_has_a_row_of_the_headings_length(language: str) -> None:
    header, _, *rows = [line for line in card_table(language).splitlines() if line.startswith("|")]
    assert [row.split(" | ")[0] for row in rows] == [f"| {card.name}" for card in KNOWN_CARDS]
    assert {row.count(" | ") for row in rows} == {header.count(" | ")}


def test_a_stale_page_fails_the_check_and_is_filled_without_it(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main([str(page), "--check"]) == 1
    assert "old" in page.read_text()
    assert main([str(page)]) == 0
    assert main([str(page), "--check"]) == 0
    assert page.read_text() == f"before\n{BEGIN}\n{card_table('en')}\n{END}\nafter\n"


def test_a_page_without_marks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "README.md"
    page.write_text("no marks\n")
    assert main([str(page)]) == 1
    assert BEGIN in capsys.readouterr().err
