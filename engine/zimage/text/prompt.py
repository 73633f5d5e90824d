"""Prompt → embeddings: Qwen's chat layout, the last hidden layer but one, as the stock pipeline has them.

The stock pipeline fills each prompt up to 512 tokens, runs every layer, and throws most of it away. Here only
the prompt's own tokens go through only the layers that count. On a card they go in a graph: a short text is
hundreds of small launches, of which the card waits for each (H200, 64 tokens: 27 ms, in a graph 7.7, and with
the layers of ``encoder`` 4.1).
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog
import torch
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.cuda.upload import upload
from engine.errors import PromptOverLimit
from engine.request import MAX_PROMPT_TOKENS
from engine.zimage.cuda_graph import capture_graph
from engine.zimage.text.encoder import speed_up

LENGTHS = (32, 64, 96, 128, 192, 256, 384, MAX_PROMPT_TOKENS)  # of the graphs; filled up to the next
MAX_PROMPTS = 64  # an embedding of Z-Image has at most 2.6 MB
WARM_UPS = 2  # a library's first calls do what no graph can hold

log = structlog.get_logger("engine.zimage")


class Text:
    """The text half of one pipeline, with the embeddings of the latest prompts kept.

    Args:
        parts: Its encoder loses what its pictures never see; ``encode_prompt`` is of no use afterwards.
        device: Where the encoder is.
    """

    def __init__(self, pipeline: Any, device: torch.device) -> None:
        self._tokenizer = pipeline.tokenizer
        self._encoder = pipeline.text_encoder.base_model
        self._encoder.layers = self._encoder.layers[:-1]
        self._encoder.norm = torch.nn.Identity()
        speed_up(self._encoder)
        self._device = device
        self._graphs: dict[int, _Graph] = {}
        self._can_record = device.type == "cuda"
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    @torch.no_grad()
    def embed(self, prompt: str) -> Tensor:
        """Encode a prompt, or remember it.

        Returns:
            Shape (tokens, width of the text encoder), on the device, in the encoder's number format.

        Raises:
            PromptTooLong: Facts: ``tokens`` and ``limit``, the chat layout's own tokens included.
        """
        if prompt in self._kept:
            self._kept.move_to_end(prompt)
            return self._kept[prompt]
        tokens = self._tokens(prompt)
        if len(tokens) > MAX_PROMPT_TOKENS:
            raise PromptOverLimit(tokens=len(tokens), limit=MAX_PROMPT_TOKENS)
        graph = self._graph_of(len(tokens))
        embedding = graph(tokens) if graph else self._encode(tokens)
        self._kept[prompt] = embedding
        if len(self._kept) > MAX_PROMPTS:
            self._kept.popitem(last=False)
        return embedding

    def _encode(self, tokens: list[int]) -> Tensor:
        return self._run(torch.tensor([tokens], device=self._device))

    def _graph_of(self, count: int) -> "_Graph | None":
        """The graph for a text of ``count`` tokens; None where no graph can be captured, logged once.

        Attention is causal, so the padding after a text changes none of its embeddings.
        """
        length = next(length for length in LENGTHS if length >= count)
        if length not in self._graphs and self._can_record:
            try:
                self._graphs[length] = _Graph(self._run, length, self._device)
            except kernel_errors() as error:
                reason = fallback_reason(error)
                log.warning("texts cannot be recorded: prompts take longer", reason=reason)
                self._can_record = False
        return self._graphs.get(length)

    def _run(self, ids: Tensor) -> Tensor:
        hidden: Tensor = self._encoder(input_ids=ids, use_cache=False).last_hidden_state[0]
        return hidden

    def _tokens(self, prompt: str) -> list[int]:
        """The prompt in the layout that ``ZImagePipeline._encode_prompt`` gives it."""
        layout = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        tokens: list[int] = self._tokenizer(layout).input_ids
        return tokens


class _Graph:
    """The encoder's work on texts of one length, recorded once."""

    def __init__(self, run: Callable[[Tensor], Tensor], length: int, device: torch.device) -> None:
        self._ids = torch.zeros(1, length, dtype=torch.int64, device=device)
        side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                run(self._ids)
        torch.cuda.current_stream(device).wait_stream(side)
        with capture_graph() as self._graph:
            self._hidden = run(self._ids)

    def __call__(self, tokens: list[int]) -> Tensor:
        filled = torch.zeros_like(self._ids, device="cpu")
        filled[0, : len(tokens)] = torch.tensor(tokens)
        self._ids.copy_(upload(filled, self._ids.device))
        self._graph.replay()
        return self._hidden[: len(tokens)].clone()
