"""Puts a run's table and plot into Markdown pages: ``python -m engine.bench.insert_results FOLDER PAGE …``.

It replaces the text between two marks of each page. A page ``*.zh-CN.md`` gets Chinese headings.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.bench.report.markdown import ENGLISH, HEADINGS, machine, speed_table

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def insert_results(folder: Path, page: Path) -> None:
    """Write the results of ``folder`` into ``page``.

    Raises:
        ValueError: The page has no marks; the message says which to write.
        OSError: There are no results, or no page.
    """
    document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: write {BEGIN} and {END} where the results belong")
    plot = os.path.relpath(folder / "results.svg", page.parent)
    page.write_text(f"{before}{begin}\n{_block(document, plot, page)}\n{end}{after}", encoding="utf-8")


def _block(document: Mapping[str, Any], plot: str, page: Path) -> str:
    """Return the text between the marks."""
    language = "zh-CN" if page.name.endswith(".zh-CN.md") else ENGLISH
    title = HEADINGS[language]["title"]
    return "\n\n".join([f"![{title}]({plot})", speed_table(document, language), machine(document["about"])])


def main(words: list[str] | None = None) -> int:
    """Insert one run's results; return 1 if a page or the results are invalid."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.insert_results")
    parser.add_argument("folder", type=Path, help="with the results of python -m engine.bench --into")
    parser.add_argument("pages", type=Path, nargs="+", help="like docs/speed.md")
    options = parser.parse_args(words)
    try:
        for page in options.pages:
            insert_results(options.folder, page)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
