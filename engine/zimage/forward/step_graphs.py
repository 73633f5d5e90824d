"""Short steps as CUDA graphs: launching such a step takes longer than computing it.

A step has 450 launches, which take this process 11 ms; the H200 computes it in 23 ms at 512 x 512 and in 8 at
256 x 256. A graph holds one batch shape and the weights it uses, base or merged copy. Their addresses do not
change, so a graph serves every picture of its shape with any LoRAs. Larger pictures need no graph.
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
WARM_UP_PICTURES = 1  # pictures of a shape before it is recorded
MAX_GRAPHS = 16  # all graphs share one memory pool

GraphKey = tuple[object, ...]
StepFunction = Callable[[Sequence[Tensor], Tensor], list[Tensor]]

log = structlog.get_logger("engine.forward")


@dataclass(frozen=True, slots=True, eq=False)
class StepGraph:
    """One recorded step with its input and output tensors.

    Attributes:
        step: The recorded function. It owns tables that the graph reads, so it must stay alive.
    """

    step: StepFunction
    captions: list[Tensor]
    latents: list[Tensor]
    times: Tensor
    graph: torch.cuda.CUDAGraph
    velocities: list[Tensor]

    def __call__(self, latents: Sequence[Tensor], times: Tensor) -> list[Tensor]:
        """As ``Batch.__call__``. The next step overwrites the result."""
        for own, given in zip(self.latents, latents, strict=True):
            own.copy_(given)
        self.times.copy_(times)
        self.graph.replay()
        return self.velocities


class StepGraphCache:
    """The recorded steps of one model. It drops the least recently used first."""

    def __init__(self) -> None:
        self._graphs: OrderedDict[GraphKey, StepGraph] = OrderedDict()
        self._seen: Counter[GraphKey] = Counter()
        self._pool = torch.cuda.graph_pool_handle()
        self._can_record = True

    def find(self, key: GraphKey, captions: Sequence[Tensor]) -> StepGraph | None:
        """Return the graph of this shape and copy the captions into it; None without a graph."""
        if (graph := self._graphs.get(key)) is None:
            return None
        self._graphs.move_to_end(key)
        for own, given in zip(graph.captions, captions, strict=True):
            own.copy_(given)
        return graph

    def should_record(self, key: GraphKey) -> bool:
        """Count a picture of a shape without a graph; return whether to record the shape now."""
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
        """Record a step that ran before. All its layers must be merged.

        Args:
            key: The step's shape and weights.
            captions: The captions that ``step`` reads; the graph keeps them.
            step: Computes the step.
            latents: The rows' current latents.
            times: The rows' times.

        Returns:
            None if the step cannot be captured. That is logged once, and no other step is recorded.
        """
        own, own_times = [each.clone() for each in latents], times.clone()
        try:
            with capture_graph(self._pool) as graph:
                velocities = step(own, own_times)
        except kernel_errors() as error:
            reason = fallback_reason(error)
            log.warning("steps cannot be recorded as CUDA graphs: small pictures take longer", reason=reason)
            self._can_record = False
            return None
        self._graphs[key] = StepGraph(step, captions, own, own_times, graph, velocities)
        if len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)
        return self._graphs[key]

    def drop(self) -> None:
        """Free all graphs."""
        self._graphs.clear()
        self._seen.clear()
        self._pool = torch.cuda.graph_pool_handle()
