"""``python -m tests.soak --minutes 60``: run the whole bot for an hour and print what its memory did."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.run import soak

MOST_GROWTH_MIB = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", action="store_true", help="also print what the parent holds at the end")
    parser.add_argument("--haste", type=float, default=1.0, help="how many times as often people ask")
    parser.add_argument("--folder", type=Path, help="keep the data and the log here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(
            soak(folder, options.minutes, seed=options.seed, traces=options.trace, haste=options.haste)
        )
        print(report)
        if options.trace:
            print((folder / "memory.txt").read_text())
    is_good = not report.unanswered and not report.failures and report.growth_mib <= MOST_GROWTH_MIB
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
