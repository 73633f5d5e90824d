"""A renderer without a worker process: draws tiny real PNG files, or fails as a test requests.

Like the real worker, it may hold several jobs, and draws one after the other.
"""

import asyncio
import io
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

from PIL import Image, PngImagePlugin

from engine.errors import JobNotStarted, WorkerLost, WorkerNotReady
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    LoraSource,
    Picture,
    Progress,
    RenderRequest,
    Stopped,
    Timings,
)


class Act(Enum):
    """What the renderer does with one request."""

    DRAW = auto()  # every picture, then Finished
    FAIL = auto()  # Failed after the first step
    HANG = auto()  # steps until it is cancelled
    LOSE = auto()  # WorkerLost after the first step
    UNREADY = auto()  # WorkerNotReady at once
    BREAK = auto()  # an unexpected error


def tiny_png(seed: int) -> bytes:
    """A complete 8 x 8 PNG whose colour is the seed, with its settings in the usual text chunk."""
    settings = PngImagePlugin.PngInfo()
    settings.add_text("parameters", f"Seed: {seed}")
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (seed & 255, seed >> 8 & 255, seed >> 16 & 255)).save(
        buffer, "PNG", pnginfo=settings
    )
    return buffer.getvalue()


class FakeRenderer:
    """Implements the desk's ``Renderer``.

    Attributes:
        acts: What happens to the next requests, in order; once empty, every request is drawn.
        step_s: How long one step takes; 0 still lets other tasks run.
        hangs_after: Once it has drawn so many pictures, it takes steps until the job is cancelled.
        received: All requests so far, in order.
        requests: The started requests, in order.
        cancelled: The held jobs that were cancelled.
        running: The job being drawn; empty for none.
        drawn: Pictures drawn so far.
        prefetched: The LoRAs of the last prefetch.
        withdrawn: The contents of the last withdrawal.
    """

    def __init__(
        self,
        acts: Iterable[Act] = (),
        *,
        step_s: float = 0.0,
        fail_reason: FailReason = FailReason.WORKER_ERROR,
    ) -> None:
        self.acts = deque(acts)
        self.step_s = step_s
        self.hangs_after = math.inf
        self.fail_reason = fail_reason
        self.received: list[RenderRequest] = []
        self.requests: list[RenderRequest] = []
        self.cancelled: set[str] = set()
        self.running = ""
        self.drawn = 0
        self.prefetched: tuple[LoraChoice, ...] = ()
        self.withdrawn: frozenset[str] = frozenset()
        self._turns: dict[str, asyncio.Future[bool]] = {}  # of the held jobs: True starts it, False stops it

    def cancel(self, job_id: str) -> None:
        if turn := self._turns.get(job_id):  # like the host, ignore a job that it does not have
            self.cancelled.add(job_id)
            if not turn.done():
                turn.set_result(False)

    def prefetch(self, loras: tuple[LoraChoice, ...], files: tuple[LoraSource, ...] = ()) -> None:
        self.prefetched = loras

    def withdraw(self, sha256: frozenset[str]) -> None:
        self.withdrawn = sha256

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        self.received.append(request)
        self._turns[request.job_id] = turn = asyncio.get_running_loop().create_future()
        self._start_next()
        try:
            if not await turn:
                return Stopped(request.job_id, request.attempt)
            self.requests.append(request)
            listen(Progress(request.job_id, request.attempt, 0, 0, request.steps))
            return await self._render(request, listen, self.acts.popleft() if self.acts else Act.DRAW)
        except JobNotStarted:
            raise
        except WorkerLost:
            for behind in self._turns.values():
                if not behind.done():
                    behind.set_exception(JobNotStarted())
            raise
        finally:
            del self._turns[request.job_id]
            self.cancelled.discard(request.job_id)
            if self.running == request.job_id:
                self.running = ""
                self._start_next()

    def _start_next(self) -> None:
        """Start the first held job, if none is drawn."""
        ready = next((job_id for job_id, turn in self._turns.items() if not turn.done()), None)
        if ready is not None and not self.running:
            self.running = ready
            self._turns[ready].set_result(True)

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        job = (request.job_id, request.attempt)
        if act is Act.UNREADY:
            raise WorkerNotReady
        for index in range(request.count):
            step = 0
            while step < request.steps or act is Act.HANG or self.drawn >= self.hangs_after:
                await self._take_step()
                if request.job_id in self.cancelled:
                    return Stopped(*job)
                step += 1
                listen(Progress(*job, index, min(step, request.steps), request.steps))
                if act is Act.FAIL:
                    return Failed(*job, self.fail_reason, "asked by a test")
                if act is Act.LOSE:
                    raise WorkerLost
                if act is Act.BREAK:
                    raise ZeroDivisionError("asked by a test")
            seed = request.cell(index).seed
            picture = Picture(index, seed, request.width_px, request.height_px, tiny_png(seed))
            self.drawn += 1
            listen(Drawn(*job, picture))
        return Finished(*job, Timings(denoise_s=0.1), peak_bytes=1)

    async def _take_step(self) -> None:
        await asyncio.sleep(self.step_s)


class SteppedRenderer(FakeRenderer):
    """Takes its steps only when a test allows them, while it is held; a cancel is noticed anyway.

    Attributes:
        allowed: Steps that it may take while it is held.
    """

    def __init__(self, *, step_s: float = 0.0) -> None:
        super().__init__(step_s=step_s)
        self.allowed = 0
        self._is_held = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let it wait before each step while the block runs."""
        self.allowed, self._is_held = 0, True
        try:
            yield
        finally:
            self._is_held = False

    async def _take_step(self) -> None:
        await super()._take_step()
        while self._is_held and not self.allowed and self.running not in self.cancelled:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.allowed -= self._is_held and self.allowed > 0


class BlockedRenderer(FakeRenderer):
    """Draws nothing before ``may_draw`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.may_draw = asyncio.Event()

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        await self.may_draw.wait()
        return await super()._render(request, listen, act)
