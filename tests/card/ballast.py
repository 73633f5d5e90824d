"""A second process that fills a card until a wanted amount is free, to simulate a smaller card.

``python -m tests.card.ballast`` reads wanted free bytes from standard input, one number a line, and answers
each with the free bytes it left. It ends, and frees everything, when its input closes.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

CHUNK_BYTES = 32 * 2**20
ANSWER_TIMEOUT_S = 60.0


class Ballast:
    """The other process. Its own CUDA context counts as part of what it fills."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def leave_free(self, free_bytes: int) -> int:
        """Fill or empty the card until about ``free_bytes`` are free; return what is free then.

        Raises:
            TimeoutError: The process does not answer.
            RuntimeError: The process ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{free_bytes}\n".encode())
        await stdin.drain()
        line = await asyncio.wait_for(stdout.readline(), ANSWER_TIMEOUT_S)
        if not line:
            raise RuntimeError("the ballast process ended")
        return int(line)


@contextlib.asynccontextmanager
async def open_ballast() -> AsyncIterator[Ballast]:
    """Start the process; it holds nothing but its context until ``leave_free``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.card.ballast",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Ballast(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), ANSWER_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def main() -> None:
    """Answer each line of standard input."""
    import torch

    held: list[torch.Tensor] = []
    torch.cuda.init()
    for line in sys.stdin:
        wanted_bytes = int(line)
        while held and torch.cuda.mem_get_info()[0] < wanted_bytes:
            held.pop()
            torch.cuda.empty_cache()
        while torch.cuda.mem_get_info()[0] >= wanted_bytes + CHUNK_BYTES:
            try:
                held.append(torch.empty(CHUNK_BYTES, dtype=torch.uint8, device="cuda"))
            except torch.OutOfMemoryError:
                break  # another program was faster
        print(torch.cuda.mem_get_info()[0], flush=True)


if __name__ == "__main__":
    main()
