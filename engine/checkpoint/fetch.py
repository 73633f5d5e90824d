"""Downloads the model in a process that can be ended at any moment.

A download takes minutes to hours in threads that Python joins at its end, so the process that downloads does
not react to Ctrl-C for long. ``python -m engine.checkpoint.fetch`` reads the config from stdin and ends
when stdin closes, also where its parent was killed. A later call goes on where it stopped.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from functools import partial

from engine import wire
from engine.checkpoint.model import ModelInfo, find_model, find_source
from engine.config import EngineConfig
from engine.errors import ModelError, ModelNotDownloaded, ModelUnreachable, WireError

TERMINATE_S = 2.0  # after SIGTERM


async def fetch_model(config: EngineConfig, *, shows_progress: bool = True) -> ModelInfo:
    """Find the model, and download it first if it is not on disk.

    Cancelled, it ends the download within ``TERMINATE_S``.

    Args:
        config: Names the model.
        shows_progress: Let the download show its progress on stderr.

    Raises:
        ModelError: As ``find_model``.
    """
    find = partial(find_model, config, download=False)
    try:
        return await asyncio.to_thread(find)
    except ModelNotDownloaded:
        await _fetch(config, shows_progress=shows_progress)
    return await asyncio.to_thread(find)


async def _fetch(config: EngineConfig, *, shows_progress: bool) -> None:
    quiet = {} if shows_progress else {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.checkpoint.fetch",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | quiet,
        start_new_session=True,  # Ctrl-C reaches only us; we end it
    )  # fmt: skip
    assert process.stdin is not None  # noqa: S101 - PIPE was asked for
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    try:
        process.stdin.write(wire.encode(config))
        with contextlib.suppress(WireError):  # it was killed in the middle of a message
            if isinstance(answer := await wire.receive(process.stdout), wire.StartFailed):
                raise answer.to_error()
        status = await process.wait()
    finally:
        await _end(process)
    if status != 0:
        raise ModelUnreachable(
            f"{config.model}: the download ended with status {status}.", model=config.model
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TERMINATE_S):
                await process.wait()


def main() -> None:
    """Fetch the model that the config on stdin names."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", 0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the log and libraries print to stdout
    header = sys.stdin.buffer.read(wire.LENGTHS.size)
    config = wire.decode(sys.stdin.buffer.read(wire.LENGTHS.unpack(header)[0]), b"")
    assert isinstance(config, EngineConfig)  # noqa: S101 - our parent wrote it
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    status = 0
    try:
        find_source(config)
    except ModelError as error:
        answers.write(wire.encode(wire.StartFailed.of(error)))
        status = 1
    os._exit(status)  # threads of the download may still run


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
