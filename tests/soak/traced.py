"""``sugarbot`` with a note, at its end, of what it allocated after the warm-up and holds: ``memory.txt``."""

import sys
import threading
import tracemalloc
from pathlib import Path

WARM_UP_S = 240.0  # tracing from the start would slow the imports down
FRAMES = 8
LARGEST = 25


def main() -> None:
    timer = threading.Timer(WARM_UP_S, lambda: tracemalloc.start(FRAMES))
    timer.daemon = True
    timer.start()
    from bot.__main__ import main as sugarbot

    try:
        sugarbot()
    finally:
        if tracemalloc.is_tracing():
            held = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(False, tracemalloc.__file__)]
            )
            lines = [
                f"{each}\n" + "\n".join(each.traceback.format()) for each in held.statistics("traceback")
            ]
            Path("memory.txt").write_text("\n\n".join(lines[:LARGEST]))


if __name__ == "__main__":
    sys.exit(main())
