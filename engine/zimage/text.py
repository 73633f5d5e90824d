"""Prompt → embeddings: Qwen's chat layout, the last hidden layer but one, as the stock pipeline has them.

The stock pipeline fills each prompt up to 512 tokens, runs every layer, and throws most of it away. Here only
the prompt's own tokens go through only the layers that count.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from engine.errors import PromptTooLong

MAX_TOKENS = 512  # what ZImagePipeline encodes; it would cut off the rest without a word
KEPT_PROMPTS = 64  # an embedding of Z-Image has at most 2.6 MB


class Text:
    """The text half of one pipeline, with the embeddings of the latest prompts kept.

    Args:
        pipeline: Its encoder loses what its pictures never see; ``encode_prompt`` is of no use afterwards.
        device: Where the encoder is.
    """

    def __init__(self, pipeline: Any, device: torch.device) -> None:
        self._tokenizer = pipeline.tokenizer
        self._encoder = pipeline.text_encoder.base_model
        self._encoder.layers = self._encoder.layers[:-1]
        self._encoder.norm = torch.nn.Identity()
        self._device = device
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
        if len(tokens) > MAX_TOKENS:
            raise PromptTooLong(tokens=len(tokens), limit=MAX_TOKENS)
        ids = torch.tensor([tokens], device=self._device)
        embedding: Tensor = self._encoder(input_ids=ids, use_cache=False).last_hidden_state[0]
        self._kept[prompt] = embedding
        if len(self._kept) > KEPT_PROMPTS:
            self._kept.popitem(last=False)
        return embedding

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
