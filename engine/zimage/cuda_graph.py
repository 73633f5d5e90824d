"""Records work as a CUDA graph and restores torch's state if the recording fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def capture_graph(pool: Any = None) -> Iterator[torch.cuda.CUDAGraph]:
    """Record the CUDA work that this thread submits inside the context.

    Args:
        pool: Memory that several graphs share, from ``graph_pool_handle``. None gives the graph its own.

    Raises:
        Exception: The work failed, or torch cannot record it.
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
        # A failed capture leaves the CUDA generator in capture mode, where it refuses to draw; a copy works.
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        generator.graphsafe_set_state(generator.clone_state())
        raise
