"""Rows of any lengths in one tensor, one after the other: [tokens of all rows, …]."""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.cuda.upload import upload


class Rows:
    """The position of each row of a batch in the packed tensor.

    Attributes:
        lengths: Tokens of each row.
        are_even: Whether all are as long; attention then needs no list of lengths.
        owner: Each token's row, int32 [tokens].
        starts: The start of each row, and the end: int32 [rows + 1].
    """

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self.lengths = list(lengths)
        self.are_even = len(set(lengths)) == 1
        counts = torch.tensor(self.lengths)
        self.owner = upload(torch.arange(len(counts)).repeat_interleave(counts).int(), device)
        self.starts = upload(torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).int(), device)

    def __len__(self) -> int:
        return len(self.lengths)

    def split(self, packed: Tensor) -> Sequence[Tensor]:
        """Each row's own tokens: views."""
        return torch.split(packed, self.lengths)

    def spread(self, each: Tensor) -> Tensor:
        """One line a row → one line a token; with a single row, a line that fits every token."""
        return each if len(each) == 1 else each[self.owner]
