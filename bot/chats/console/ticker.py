"""How a job's progress looks on a terminal, and how it reads in a log."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot import messages
from bot.outcomes import Receipt, Status
from engine.printable import printable


class Ticker:
    """A bar for each job on a terminal; elsewhere a line whenever its place or picture changes.

    Args:
        console: Standard error, so that standard output holds nothing but answers.
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
        self._told: dict[str, tuple[int | None, int]] = {}

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
        """Show where a job stands."""
        if self._console.is_terminal:
            self._draw(status)
            return
        # A claimed job whose model still loads is next, as a waiting one in the first place is.
        place = 0 if status.position is None and status.is_loading else status.position
        if self._told.get(status.job_id) != (place, status.index):
            self._told[status.job_id] = (place, status.index)
            self.tell(messages.status(status, status.locale))

    def receipt(self, receipt: Receipt, locale: str) -> None:
        """Print that a job is accepted; its place is not printed again as a status."""
        self._told[receipt.job_id] = (receipt.position, 0)
        self.tell(messages.say(receipt, locale))

    def tell(self, line: str) -> None:
        """Print a line: nothing in it is markup, and control characters are written out."""
        self._console.print(Text(printable(line, is_one_line=False)), soft_wrap=True)

    def _draw(self, status: Status) -> None:
        if status.job_id not in self._bars:
            self._bars[status.job_id] = self._progress.add_task("", total=None)
        self._progress.update(
            self._bars[status.job_id],
            description=messages.status(status, status.locale),
            total=status.count * status.steps or None,
            completed=status.index * status.steps + status.step,
        )
