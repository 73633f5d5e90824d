"""Makes a tokenizer as large as Qwen3's, with invented words, because loading one takes time."""

from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Tokenizer

WORDS = 151_643  # vocabulary of Qwen3 without special tokens


def large_tokenizer(chat_template: str, words: int = WORDS) -> Any:
    """Make one that knows every byte, and ``words`` pieces of lower-case letters in all.

    Args:
        chat_template: Its special tokens are ``<|im_start|>`` and ``<|im_end|>``.
        words: Entries of the vocabulary, >= 256.
    """
    pieces = sorted(ByteLevel.alphabet())
    letters = [each for each in pieces if each.isascii() and each.islower()]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges = []
    for piece in pieces:  # the loop appends to the list: each piece is continued by every letter
        for letter in letters:
            if len(vocabulary) == words:
                break
            if piece + letter not in vocabulary:
                vocabulary[piece + letter] = len(vocabulary)
                merges.append((piece, letter))
                pieces.append(piece + letter)
    special = ["<|im_start|>", "<|im_end|>"]
    return Qwen2Tokenizer(
        vocab=vocabulary, merges=merges, chat_template=chat_template, additional_special_tokens=special
    )
