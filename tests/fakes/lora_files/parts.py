"""The numbers of LoRA files, and what each changes: computed here from its own mathematics, in float64.

Nothing of the product is used, so that a fault of its converter cannot be in the reference too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

Numbers = dict[str, Tensor]


class Model(NamedTuple):
    """A model as far as a LoRA file names it.

    Attributes:
        linears: Path → (out, in).
        vectors: Norms and biases: name → length.
        weights: Every parameter, by name.
    """

    linears: Mapping[str, tuple[int, int]]
    vectors: Mapping[str, int]
    weights: Mapping[str, Tensor]


@dataclass
class LoraFileMade:
    """A file, and the difference that it makes to each parameter at strength 1.

    Attributes:
        effect: Parameter's name → difference, in float64.
    """

    tensors: Numbers = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    effect: Numbers = field(default_factory=dict)


Make = Callable[[Model], LoraFileMade]


class Random:
    """Reproducible numbers of a given size, rounded to a number format."""

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self.dtype = dtype

    def __call__(self, *shape: int, size: float = 0.3) -> Tensor:
        numbers = torch.randn(shape, generator=self._generator, dtype=torch.float64) * size
        return numbers.float().to(self.dtype)


def small_model(width: int = 48, inner: int = 64, seed: int = 9) -> Model:
    """A model with Z-Image's names and few numbers."""
    linears: dict[str, tuple[int, int]] = {}
    vectors: dict[str, int] = {}

    def linear(name: str, out: int, into: int, *, has_bias: bool = False) -> None:
        linears[name] = (out, into)
        if has_bias:
            vectors[f"{name}.bias"] = out

    for block in ("context_refiner.0", "noise_refiner.0", "layers.0", "layers.1"):
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            linear(f"{block}.attention.{part}", width, width)
        for part in ("w1", "w3"):
            linear(f"{block}.feed_forward.{part}", inner, width)
        linear(f"{block}.feed_forward.w2", width, inner)
        for norm in ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"):
            vectors[f"{block}.{norm}.weight"] = width
        for norm in ("norm_q", "norm_k"):
            vectors[f"{block}.attention.{norm}.weight"] = width // 4
        if not block.startswith("context"):
            linear(f"{block}.adaLN_modulation.0", 4 * width, 32, has_bias=True)
    linear("all_x_embedder.2-1", width, 16, has_bias=True)
    linear("all_final_layer.2-1.linear", 16, width, has_bias=True)
    linear("all_final_layer.2-1.adaLN_modulation.1", width, 32, has_bias=True)
    linear("cap_embedder.1", width, 40, has_bias=True)
    linear("t_embedder.mlp.0", 20, 12, has_bias=True)
    vectors["cap_embedder.0.weight"] = 40
    random = Random(seed)
    weights = {f"{name}.weight": random(*shape) for name, shape in linears.items()}
    weights |= {name: random(length) for name, length in vectors.items()}
    return Model(linears, vectors, weights)


def low_rank(up: Tensor, down: Tensor, scale: float = 1.0) -> Tensor:
    return up.double() @ down.double() * scale


def kronecker(left: Tensor, right: Tensor, scale: float = 1.0) -> Tensor:
    """Row (i, k) and column (j, l) is left[i, j] · right[k, l]."""
    whole = torch.einsum("ij,kl->ikjl", left.double(), right.double())
    return whole.reshape(left.shape[0] * right.shape[0], left.shape[1] * right.shape[1]) * scale


def dora(weight: Tensor, delta: Tensor, magnitude: Tensor) -> Tensor:
    """The difference of a weight whose rows get these norms."""
    changed = weight.double() + delta
    rows = changed.pow(2).sum(1, keepdim=True).sqrt()
    return magnitude.double().reshape(-1, 1) * changed / rows - weight.double()


def split_rows(made: LoraFileMade, delta: Tensor, modules: Sequence[str], model: Model) -> None:
    """Give each module its rows of a fused difference."""
    start = 0
    for module in modules:
        rows = model.linears[module][0]
        made.effect[f"{module}.weight"] = delta[start : start + rows]
        start += rows
    assert start == len(delta)


def fused_weight(model: Model, modules: Sequence[str]) -> Tensor:
    return torch.cat([model.weights[f"{module}.weight"] for module in modules])


def some_linears(model: Model) -> list[str]:
    """A linear of every kind."""
    ends = ("to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3", "adaLN_modulation.0")
    blocks = ("layers.0.", "noise_refiner.0.", "context_refiner.0.")
    return [name for name in model.linears if name.startswith(blocks) and name.endswith(ends)]


def merged(*files: LoraFileMade) -> LoraFileMade:
    """One file of several that change different parameters."""
    whole = LoraFileMade()
    for each in files:
        assert not whole.effect.keys() & each.effect.keys()
        for own, other in zip(vars(whole).values(), vars(each).values(), strict=True):
            own.update(other)
    return whole


def number(value: float, dtype: torch.dtype = torch.float32, shape: Sequence[int] = ()) -> Tensor:
    return torch.full(tuple(shape), value, dtype=torch.float64).to(dtype)
