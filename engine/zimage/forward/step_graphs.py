"""Steps recorded as CUDA graphs: where a step is short, launching it takes longer than doing it.

A step is 450 launches: 11 ms of this process for 23 ms of an H200 at 512 x 512, for 8 at 256 x 256. A graph
holds one shape of a batch and the weights it used, base or merged copy, which keep their places; so it serves
every picture of that shape, whatever its LoRAs. Larger pictures need none.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
import torch
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.zimage.cuda_graph import capture_graph

MAX_TOKENS = 2816  # 768 x 768 with the longest caption
WARM_UP_PICTURES = 1  # pictures of a shape that are drawn before it is recorded
MAX_GRAPHS = 16  # graphs; all of them share one pool of memory

GraphKey = tuple[object, ...]
StepFunction = Callable[[Sequence[Tensor], Tensor], list[Tensor]]

log = structlog.get_logger("engine.forward")


@dataclass(frozen=True, slots=True, eq=False)
class StepGraph:
    """One recorded step, and where it reads and writes.

    Attributes:
        step: What was recorded; it owns tables that the graph reads, which would be gone with it.
    """

    step: StepFunction
    captions: list[Tensor]
    latents: list[Tensor]
    times: Tensor
    graph: torch.cuda.CUDAGraph
    velocities: list[Tensor]

    def __call__(self, latents: Sequence[Tensor], times: Tensor) -> list[Tensor]:
        """As ``Batch``; what it returns is written over by the next step."""
        for own, given in zip(self.latents, latents, strict=True):
            own.copy_(given)
        self.times.copy_(times)
        self.graph.replay()
        return self.velocities


class StepGraphCache:
    """The recorded steps of one model; the least recently used go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[GraphKey, StepGraph] = OrderedDict()
        self._seen: Counter[GraphKey] = Counter()
        self._pool = torch.cuda.graph_pool_handle()
        self._can_record = True

    def find(self, key: GraphKey, captions: Sequence[Tensor]) -> StepGraph | None:
        """The graph of this shape, with these captions in it."""
        if (graph := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        for own, given in zip(graph.captions, captions, strict=True):
            own.copy_(given)
        return graph

    def should_record(self, key: GraphKey) -> bool:
        """Whether a shape that has no graph has been seen often enough; counts. Never where none can be."""
        self._seen[key] += 1
        return self._can_record and self._seen[key] > WARM_UP_PICTURES

    def record(
        self,
        key: GraphKey,
        captions: list[Tensor],
        step: StepFunction,
        latents: Sequence[Tensor],
        times: Tensor,
    ) -> StepGraph | None:
        """Record a step that has been taken before; nothing of it may still be pending.

        Args:
            key: Its shape and weights.
            captions: What ``step`` reads; the graph keeps them.
            step: Takes the step.
            latents: Of its rows, as they are now.
            times: Of its rows, one each.

        Returns:
            None where it cannot be captured: that is logged once, and no other step is tried.
        """
        own, moments = [each.clone() for each in latents], times.clone()
        try:
            with capture_graph(self._pool) as graph:
                velocities = step(own, moments)
        except kernel_errors() as error:
            reason = fallback_reason(error)
            log.warning("steps cannot be recorded: small pictures take longer", reason=reason)
            self._can_record = False
            return None
        self._kept[key] = StepGraph(step, captions, own, moments, graph, velocities)
        if len(self._kept) > MAX_GRAPHS:
            self._kept.popitem(last=False)
        return self._kept[key]

    def drop(self) -> None:
        """Give their memory back."""
        self._kept.clear()
        self._seen.clear()
        self._pool = torch.cuda.graph_pool_handle()
