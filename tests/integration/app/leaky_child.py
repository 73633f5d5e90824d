"""A real worker process whose pipeline fails with the prompt in its error, as libraries do."""

import json
import socket
import sys
from collections.abc import Callable, Sequence
from urllib.parse import quote

from engine.config import EngineConfig
from engine.reporting import JobReporter
from engine.request import LoraChoice, RenderRequest, Stopped, WorkerInfo
from engine.worker.__main__ import log_to_stderr
from engine.worker.serve import run


class LeakyPipeline:
    """Raises errors that quote the prompt in every way that a library may."""

    def __init__(self, config: EngineConfig) -> None:
        self.info = WorkerInfo(0, "cpu", "a fake", "float32", "a test", config.model, 0.1, 1000, {})

    def draw(
        self, request: RenderRequest, reporter: JobReporter, is_cancelled: Callable[[], bool]
    ) -> Stopped:
        prompt = request.prompt
        ways = (
            prompt, repr(prompt), repr([prompt]), ascii(prompt), json.dumps(prompt), quote(prompt),
            prompt.upper(), prompt[: len(prompt) // 2], str(prompt.encode()),
        )  # fmt: skip
        try:
            raise KeyError(prompt)
        except KeyError as error:
            raise ValueError(f"Could not read {ways}") from error

    def prepare(self, request: RenderRequest) -> None:
        raise LookupError(request.prompt)

    def withdraw(self, sha256: frozenset[str]) -> None:
        pass

    def forget_withdrawn(self) -> None:
        pass

    def prefetch(self, loras: Sequence[LoraChoice], files: object) -> None:
        """Do nothing."""


if __name__ == "__main__":
    log_to_stderr()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        sys.exit(run(connection, LeakyPipeline))
