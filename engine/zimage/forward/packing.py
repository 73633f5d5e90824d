"""Rows of any lengths in one tensor: side by side where all are as long, else one after the other."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Spans(NamedTuple):
    """Where the rows lie in a packed tensor.

    Attributes:
        owner: Each token's row, int64 [tokens].
        starts: Where each row begins, and the end: int32 [rows + 1].
        longest: Tokens of the longest row.
    """

    owner: Tensor
    starts: Tensor
    longest: int


class Packing:
    """How the rows of one batch are held.

    Attributes:
        spans: None where all rows are as long: then the tensor is [rows, tokens, …], and needs no mask.
            Otherwise it is [1, tokens, …].
    """

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self._lengths = list(lengths)
        self.spans: Spans | None = None
        if len(set(lengths)) > 1:
            counts = torch.tensor(self._lengths)
            owner = torch.arange(len(counts)).repeat_interleave(counts)
            starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).int()
            self.spans = Spans(owner.to(device), starts.to(device), max(self._lengths))

    def pack(self, rows: Sequence[Tensor]) -> Tensor:
        """Rows of [tokens, …] → one tensor."""
        return torch.cat(list(rows))[None] if self.spans else torch.stack(list(rows))

    def unpack(self, packed: Tensor) -> Sequence[Tensor]:
        """The reverse of :meth:`pack`."""
        return torch.split(packed[0], self._lengths) if self.spans else packed.unbind()
