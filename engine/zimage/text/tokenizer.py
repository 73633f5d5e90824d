"""Prompt → token ids, with the chat template around it: by the model's files, or by the library.

Importing the library takes seconds, and its own class takes the vocabulary apart and rebuilds it in 1.5 s.
"""

from pathlib import Path
from typing import Any, Protocol

from engine.checkpoint.prompt_tokens import load_prompt_tokens


class PromptTokenizer(Protocol):
    """``engine.checkpoint.prompt_tokens.PromptTokens``, or the library's behind ``LibraryTokenizer``."""

    def token_ids(self, prompt: str) -> list[int]:
        """Return the tokens of the prompt inside the chat template."""


class LibraryTokenizer:
    """A tokenizer of transformers.

    Args:
        tokenizer: The library's.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def token_ids(self, prompt: str) -> list[int]:
        """Return the tokens of the prompt in the same chat template as ``ZImagePipeline._encode_prompt``."""
        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        ids: list[int] = self._tokenizer(text).input_ids
        return ids


def load_tokenizer(model_folder: Path, class_name: str) -> PromptTokenizer:
    """Load the tokenizer of a checkpoint.

    Args:
        model_folder: The checkpoint.
        class_name: The library's class, from ``model_index.json``; used without a complete
            ``tokenizer.json``.

    Raises:
        ModelIncomplete, OSError: As for ``PromptTokens``.
    """
    tokens = load_prompt_tokens(model_folder)
    if tokens is not None:
        return tokens
    import transformers  # noqa: PLC0415 - takes seconds, and few models need it

    library = getattr(transformers, class_name)
    return LibraryTokenizer(library.from_pretrained(model_folder / "tokenizer", local_files_only=True))
