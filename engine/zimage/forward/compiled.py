"""The block compiled, and without the compiler where that fails."""

from typing import Any

import structlog
import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from engine.zimage.forward.block import run_block
from engine.zimage.forward.packing import Spans
from engine.zimage.forward.weights import Block

VARIANTS = 64  # of one function: three kinds of block, with LoRAs or without, for one row and for several

log = structlog.get_logger("engine.forward")


class CompiledBlock:
    """``run_block`` compiled at its first use; the same function uncompiled from the first failure on.

    Args:
        options: For ``torch.compile``.
    """

    def __init__(self, **options: Any) -> None:
        torch._dynamo.config.recompile_limit = VARIANTS
        self._compiled = torch.compile(run_block, fullgraph=True, **options)
        self.is_compiled = True

    def __call__(
        self, x: Tensor, block: Block, turns: Tensor, time: Tensor | None, spans: Spans | None
    ) -> Tensor:
        """As ``run_block``."""
        if self.is_compiled:
            try:
                return self._compiled(x, block, turns, time, spans)
            except TorchDynamoException as error:
                self.is_compiled = False
                reason = str(error).partition("\n")[0]
                log.warning("blocks run uncompiled", error=type(error).__name__, reason=reason)
        return run_block(x, block, turns, time, spans)
