"""Shows a job's progress on a terminal or in a log."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot import messages
from bot.outcomes import Receipt, Status
from engine.formatting import printable


class ProgressDisplay:
    """Shows a bar for each job on a terminal, otherwise a line for each change of position or picture.

    Args:
        console: Standard error, so that standard output contains only answers.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}
        self._printed: dict[str, tuple[int | None, int]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        for bar in self._bars.values():
            self._progress.remove_task(bar)
        self._bars.clear()

    def show(self, status: Status) -> None:
        """Show a job's status."""
        if self._console.is_terminal:
            self._update_bar(status)
            return
        # A taken job whose model still loads is next, like the first waiting job.
        position = 0 if status.position is None and status.is_loading else status.position
        if self._printed.get(status.job_id) != (position, status.index):
            self._printed[status.job_id] = (position, status.index)
            self.print_line(messages.format_status(status, status.locale))

    def show_receipt(self, receipt: Receipt, locale: str) -> None:
        """Print that a job is accepted; the next status does not repeat its position."""
        self._printed[receipt.job_id] = (receipt.position, 0)
        self.print_line(messages.format_outcome(receipt, locale))

    def print_line(self, line: str) -> None:
        """Print a line as plain text with escaped control characters."""
        self._console.print(Text(printable(line, is_one_line=False)), soft_wrap=True)

    def _update_bar(self, status: Status) -> None:
        if status.job_id not in self._bars:
            self._bars[status.job_id] = self._progress.add_task("", total=None)
        self._progress.update(
            self._bars[status.job_id],
            description=messages.format_status(status, status.locale),
            total=status.count * status.steps or None,
            completed=status.index * status.steps + status.step,
        )
