"""Rows of different lengths packed into one tensor: [tokens of all rows, …]."""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.cuda.upload import upload


class Rows:
    """The position of each row of a batch in the packed tensor.

    Attributes:
        lengths: Tokens of each row.
        are_even: Whether all rows have the same length.
        owner: int32 [tokens]: the row of each token.
        starts: int32 [rows + 1]: the start of each row, and the end.
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
        """Return views of each row's tokens."""
        return torch.split(packed, self.lengths)

    def spread(self, each: Tensor) -> Tensor:
        """Repeat each row's values for its tokens; values of a single row broadcast instead."""
        return each if len(each) == 1 else each[self.owner]
