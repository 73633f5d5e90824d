"""Prompt → embedding: Qwen's chat template and the second-to-last hidden layer, as in the stock pipeline.

The stock pipeline pads each prompt to 512 tokens, runs every layer and discards most of the result. Here only
the prompt's own tokens pass only the layers that count. On a card this is a CUDA graph, because a short
prompt is hundreds of small launches (H200, 64 tokens: 27 ms; in a graph 7.7; with the layers of ``encoder``
4.1).
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog
import torch
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.errors import PromptOverLimit
from engine.request import MAX_PROMPT_TOKENS
from engine.zimage.cuda_graph import capture_graph
from engine.zimage.text.encoder import TextEncoder
from engine.zimage.text.saved import SavedEmbeddings
from engine.zimage.text.tokenizer import PromptTokenizer

LENGTHS = (32, 64, 96, 128, 192, 256, 384, MAX_PROMPT_TOKENS)  # graph lengths; prompts are padded to the next
MAX_PROMPTS = 64  # cached embeddings; one of Z-Image has at most 2.6 MB
WARM_UPS = 2  # the libraries' first calls do work that a graph cannot record

log = structlog.get_logger("engine.zimage")


class Text:
    """Tokenizer and text encoder of one model, with a cache of the latest prompts' embeddings.

    Args:
        tokenizer: The model's.
        encoder: The model's.
        saved: Keeps embeddings on the disk; None keeps none there.
    """

    def __init__(
        self, tokenizer: PromptTokenizer, encoder: TextEncoder, saved: SavedEmbeddings | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._saved = saved
        self._device = encoder.device
        self._graphs: dict[int, _Graph] = {}
        self._pool: Any = None  # the memory of all graphs: one runs at a time, and its result is copied
        self._seen: set[int] = set()  # lengths that were encoded without a graph
        self._is_padded = self._can_record = self._device.type == "cuda" and encoder.is_resident
        self._embeddings: OrderedDict[str, Tensor] = OrderedDict()

    @torch.no_grad()
    def embed(self, prompt: str) -> Tensor:
        """Encode a prompt, or return its cached embedding.

        Returns:
            Shape (tokens, width of the text encoder), on the device, in the encoder's number format.

        Raises:
            PromptOverLimit: Facts: ``tokens`` and ``limit``, both with the chat template's own tokens.
        """
        if prompt in self._embeddings:
            self._embeddings.move_to_end(prompt)
            return self._embeddings[prompt]
        tokens = self._tokenizer.token_ids(prompt)
        if len(tokens) > MAX_PROMPT_TOKENS:
            raise PromptOverLimit(tokens=len(tokens), limit=MAX_PROMPT_TOKENS)
        embedding = self._saved.load(tokens) if self._saved else None
        if embedding is None:
            embedding = self._encode(tokens)
            if self._saved:
                self._saved.save(tokens, embedding)
        self._embeddings[prompt] = embedding
        if len(self._embeddings) > MAX_PROMPTS:
            self._embeddings.popitem(last=False)
        return embedding

    def close(self) -> None:
        """Wait until the embeddings that are kept on the disk are there."""
        if self._saved:
            self._saved.close()

    def _encode(self, tokens: list[int]) -> Tensor:
        """Encode tokens; on a card padded to one of ``LENGTHS``, from its second use on by a graph.

        Attention is causal, so the padding at the end does not change the prompt's embedding. A capture costs
        three passes: a worker that has just started draws its first picture without.
        """
        length = next(length for length in LENGTHS if length >= len(tokens))
        if length in self._seen and self._can_record and (graph := self._graph_of(length)):
            return graph(self._encoder.look_up(tokens))
        self._seen.add(length)
        # Padded also without a graph, so that the same prompt always has the same embedding.
        padded = [*tokens, *[0] * (length - len(tokens))] if self._is_padded else tokens
        return self._encoder(self._encoder.look_up(padded))[: len(tokens)].clone()

    def _graph_of(self, length: int) -> "_Graph | None":
        """Return the graph for ``length`` tokens; None if none can be captured, which is logged once."""
        if length not in self._graphs:
            try:
                self._pool = self._pool or torch.cuda.graph_pool_handle()
                self._graphs[length] = _Graph(self._encoder, self._encoder.look_up([0] * length), self._pool)
            except kernel_errors() as error:
                reason = fallback_reason(error)
                log.warning("prompts cannot be recorded as CUDA graphs: they take longer", reason=reason)
                self._can_record = False
        return self._graphs.get(length)


class _Graph:
    """The encoder's layers on prompts of one length as a CUDA graph.

    Args:
        run: The encoder.
        padding: The embeddings of a prompt of padding alone, [length, width]; a prompt is written over it.
        pool: Memory that it shares with graphs that never run at the same time.
    """

    def __init__(self, run: Callable[[Tensor], Tensor], padding: Tensor, pool: Any) -> None:
        self._padding, self._x = padding, padding.clone()
        device = padding.device
        side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                run(self._x)
        torch.cuda.current_stream(device).wait_stream(side)
        with capture_graph(pool) as self._graph:
            self._hidden = run(self._x)

    def __call__(self, x: Tensor) -> Tensor:
        self._x.copy_(self._padding)
        self._x[: len(x)] = x
        self._graph.replay()
        return self._hidden[: len(x)].clone()
