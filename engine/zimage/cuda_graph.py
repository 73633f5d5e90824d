"""How the card's work is recorded as a CUDA graph, and what is left behind where it cannot be: nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def capture_graph(pool: Any = None) -> Iterator[torch.cuda.CUDAGraph]:
    """Record what this thread gives the card inside the context.

    Args:
        pool: Memory that several graphs share, from ``graph_pool_handle``; None: the graph's own.

    Raises:
        Exception: As the work raises, or torch, where it cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        with (
            # If a capture cannot start or end, torch stays in the capture stream.
            torch.cuda.stream(torch.cuda.current_stream()),
            # Other threads of this process may copy to the card meanwhile.
            torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"),
        ):
            yield graph
    except BaseException:
        # The card's random numbers believe that they are still being recorded, and refuse; a copy does not.
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        generator.graphsafe_set_state(generator.clone_state())
        raise
