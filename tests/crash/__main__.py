"""``python -m tests.crash``: measure the figures of the promise and print them as a table."""

import logging
import tempfile
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tests.crash.rows import Scale, all_rows
from tests.crash.table import Line, show, write


def main(
    rows: Annotated[list[str] | None, typer.Argument(help="Numbers of rows; left out: all.")] = None,
    short: Annotated[bool, typer.Option("--short", help="The form that `make test` holds.")] = False,
    share: Annotated[float, typer.Option(min=0.001, max=1, help="Of the long form.")] = 1.0,
    into: Annotated[Path | None, typer.Option(help="Put the lines into this Markdown file's table.")] = None,
) -> None:
    """Measure, print, and exit with 1 if a row does not reach its figure."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    known = all_rows()
    if strange := set(rows or ()) - {row.number for row in known}:
        raise typer.BadParameter(f"no such row: {', '.join(sorted(strange))}")
    lines = []
    for row in known:
        if rows and row.number not in rows:
            continue
        typer.echo(f"row {row.number}: {row.what} …", err=True)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="sugarbot-crash-") as folder:
            measured = row.run(Scale(is_long=not short, folder=Path(folder), share=share))
        lines.append(Line(row, measured, time.perf_counter() - began))
        typer.echo(f"    {lines[-1].verdict} {measured.said} ({lines[-1].took})", err=True)
        if into:
            write(lines[-1:], into)
    show(lines, "short" if short else "long")
    raise typer.Exit(int(not all(line.measured.holds for line in lines)))


if __name__ == "__main__":
    typer.run(main)
