"""``sugarbot`` with a note, at its end, of where its memory came from since the warm-up: ``memory.txt``."""

import sys
import threading
import tracemalloc
from pathlib import Path

WARM_UP_S = 300.0
FRAMES = 12
LARGEST = 25


def main() -> None:
    tracemalloc.start(FRAMES)
    first: list[tracemalloc.Snapshot] = []
    timer = threading.Timer(WARM_UP_S, lambda: first.append(tracemalloc.take_snapshot()))
    timer.daemon = True
    timer.start()
    from bot.__main__ import main as sugarbot

    try:
        sugarbot()
    finally:
        last = tracemalloc.take_snapshot()
        grown = last.compare_to(first[0], "traceback") if first else last.statistics("traceback")
        lines = [f"{each}\n" + "\n".join(each.traceback.format()) for each in grown[:LARGEST]]
        Path("memory.txt").write_text("\n\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
