"""Kill a process repeatedly, at random moments or at a named await; then let it finish, and check.

Processes come from a fork server with all imports done, so a run costs milliseconds.
"""

import contextlib
import json
import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

from tests.crash.laws import Finding, find
from tests.crash.points import run_to_point
from tests.crash.session import Plan, run_sessions

EVENTS_PER_PROCESS = 6
EVENTS_TO_A_POINT = 20
SPAN_S = 0.15  # the time in which a process does most of its work


class Harness:
    """Runs many processes on one folder, one after the other.

    Args:
        fault: The name of a fault to plant in all processes.
        has_poison: Some jobs end the process that draws them.
    """

    def __init__(self, folder: Path, *, fault: str = "", has_poison: bool = True, seed: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._plan = Plan(folder, seed * 100_000, events=0, fault=fault, has_poison=has_poison)
        self._random = Random(seed)

    def kill(self, times: int, span_s: float = SPAN_S) -> int:
        """Kill this many processes at random moments; return how many a signal killed, ours or poison."""
        met = 0
        for _ in range(times):
            process = self._start(self._next(EVENTS_PER_PROCESS))
            process.join(self._random.uniform(0, span_s))
            process.kill()
            process.join()
            met += process.exitcode == -signal.SIGKILL
        return met

    def kill_at(self, point: str, nth: int, *, timeout_s: float, events: int = EVENTS_TO_A_POINT) -> bool:
        """Let a process with ``events`` new messages die at the ``nth`` pass of ``point``; whether it did."""
        process = self._start(self._next(events), run_to_point, (point, nth))
        process.join(timeout_s)
        is_met = process.exitcode == -signal.SIGKILL
        process.kill()
        process.join()
        return is_met

    def reached(self, events: int, timeout_s: float = 300) -> dict[str, int]:
        """Let a process handle ``events`` messages; return how often it reached each point."""
        process = self._start(replace(self._next(events), is_last=True), run_to_point, ("", 0))
        process.join(timeout_s)
        process.kill()
        process.join()
        reached: dict[str, int] = json.loads((self._plan.folder / "points.json").read_text(encoding="utf-8"))
        return reached

    def finish(self, timeout_s: float = 60) -> bool:
        """Let further processes do the remaining work; return whether they finished it."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            process = self._start(replace(self._next(0), is_last=True))
            process.join(max(0.0, until_s - time.monotonic()))
            if process.is_alive():
                process.kill()
            process.join()
            if process.exitcode == 0:
                return True  # otherwise poison killed it
        return False

    def find(self) -> Finding:
        """Check the laws on what is on the disk."""
        return find(self._plan.folder)

    def _next(self, fresh_events: int) -> Plan:
        """Return the next plan: the platform has this many messages that it has not confirmed yet."""
        plan, log = self._plan, self._plan.folder / "confirmed.log"
        confirmed = len(set(log.read_text(encoding="utf-8").splitlines())) if log.exists() else 0
        self._plan = replace(plan, seed=plan.seed + 1, events=max(plan.events, confirmed + fresh_events))
        return self._plan

    def _start(
        self, plan: Plan, target: Callable[..., None] = run_sessions, first: tuple[object, ...] = ()
    ) -> BaseProcess:
        process = begin(target, *first, plan)
        if not process.is_alive():
            process.join()  # it ended before it was ready; its exit code says why
        return process


def begin(target: Callable[..., None], *args: object) -> BaseProcess:
    """Run ``target(*args, ready)`` in its own process; return when it sends ``ready`` or has ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.preload"])
    receiver, ready = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*args, ready), daemon=True)
    process.start()
    ready.close()
    with receiver, contextlib.suppress(EOFError):
        receiver.recv()
    return process
