"""The arithmetic of any work: its products, convolutions and attentions, and nothing between them."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as nn
from torch import Tensor
from torch.overrides import TorchFunctionMode

ARITHMETIC = {nn.linear, nn.conv2d, nn.scaled_dot_product_attention}

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class _Recorder(TorchFunctionMode):
    """Keeps every call of ``ARITHMETIC``: weights as they are, everything else as its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._inputs: dict[tuple[Any, ...], Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in ARITHMETIC:
            stand_ins = {name: self._stand_in(value) for name, value in kwargs.items()}
            self.calls.append((func, tuple(map(self._stand_in, args)), stand_ins))
        return func(*args, **kwargs)

    def _stand_in(self, value: Any) -> Any:
        """One random tensor for all inputs of a shape, or memory would not suffice for them."""
        if not isinstance(value, Tensor) or isinstance(value, torch.nn.Parameter):
            return value
        key = tuple(value.shape), value.stride(), value.dtype
        if key not in self._inputs:
            made = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=value.device)
            self._inputs[key] = made.normal_() if made.is_floating_point() else made.fill_(1)
        return self._inputs[key]


@torch.no_grad()
def arithmetic(work: Callable[[], object]) -> tuple[Callable[[], None], int]:
    """Do some work once, and return what does its arithmetic alone, and how many operations that is.

    The inputs are random: zeros would draw less power, and the card would run faster than it can.
    """
    with _Recorder() as recorder:
        work()
    calls = recorder.calls

    @torch.no_grad()
    def again() -> None:
        for function, args, kwargs in calls:
            function(*args, **kwargs)

    return again, len(calls)
