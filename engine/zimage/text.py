"""Prompt → embeddings, by the pipeline's own way: Qwen's chat layout, the last hidden layer but one."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from engine.errors import PromptTooLong

MAX_TOKENS = 512  # what ZImagePipeline encodes; it would cut off the rest without a word
KEPT_PROMPTS = 64  # an embedding of Z-Image has at most 2.6 MB


class Text:
    """The text half of one pipeline, with the embeddings of the latest prompts kept."""

    def __init__(self, pipeline: Any, device: torch.device) -> None:
        self._pipeline = pipeline
        self._device = device
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

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
        tokens = self._count(prompt)
        if tokens > MAX_TOKENS:
            raise PromptTooLong(tokens=tokens, limit=MAX_TOKENS)
        with torch.no_grad():
            embeddings, _ = self._pipeline.encode_prompt(
                prompt,
                device=self._device,
                do_classifier_free_guidance=False,
                max_sequence_length=MAX_TOKENS,
            )
        embedding: Tensor = embeddings[0]
        self._kept[prompt] = embedding
        if len(self._kept) > KEPT_PROMPTS:
            self._kept.popitem(last=False)
        return embedding

    def _count(self, prompt: str) -> int:
        """Tokens of the prompt in the layout that ``ZImagePipeline._encode_prompt`` gives it."""
        layout = self._pipeline.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        return len(self._pipeline.tokenizer(layout).input_ids)
