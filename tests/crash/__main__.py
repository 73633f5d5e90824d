"""``python -m tests.crash``: measure the rows of the crash table and print them."""

import logging
import tempfile
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tests.crash.rows import Scale, all_rows
from tests.crash.table import TableLine, show, write


def main(
    rows: Annotated[list[str] | None, typer.Argument(help="Numbers of rows; all if left out.")] = None,
    short: Annotated[bool, typer.Option("--short", help="The form that `make test` runs.")] = False,
    share: Annotated[
        float, typer.Option(min=0.001, max=1, help="The part of the long form to measure.")
    ] = 1.0,
    into: Annotated[
        Path | None, typer.Option(help="Write the lines into the table of this Markdown file.")
    ] = None,
) -> None:
    """Measure and print rows; the exit code is 1 if a row does not reach its target."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    known = all_rows()
    if unknown := set(rows or ()) - {row.number for row in known}:
        raise typer.BadParameter(f"no such row: {', '.join(sorted(unknown))}")
    lines = []
    for row in known:
        if rows and row.number not in rows:
            continue
        typer.echo(f"row {row.number}: {row.test} …", err=True)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="sugarbot-crash-") as folder:
            measured = row.run(Scale(is_long=not short, folder=Path(folder), share=share))
        lines.append(TableLine(row, measured, time.perf_counter() - began))
        typer.echo(f"    {lines[-1].verdict} {measured.figures} ({lines[-1].took})", err=True)
        if into:
            write(lines[-1:], into)
    show(lines, "short" if short else "long")
    raise typer.Exit(int(not all(line.measured.holds for line in lines)))


if __name__ == "__main__":
    typer.run(main)
