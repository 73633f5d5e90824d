"""Reference results from diffusers and peft."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import ZImagePipeline
from torch import Tensor

from engine.demo.networks import WEIGHTS
from engine.lora.adapter import Adapter, convert
from engine.lora.formats import normalise
from engine.zimage.forward.forward import Forward

LIMIT = 1e-5  # relative error in float32: figure E9

LoraTensors = Mapping[str, Tensor]  # in the layout of diffusers


def loaded_pipeline() -> ZImagePipeline:
    """The built-in model in the library's pipeline."""
    return ZImagePipeline.from_pretrained(WEIGHTS, dtype=torch.float32, local_files_only=True)


def error_of(ours: Tensor, stock: Tensor) -> float:
    return float((ours - stock).norm() / stock.norm())


@torch.no_grad()
def stock_velocity(
    stock_pipeline: Any,
    latents: Tensor,
    time: float,
    embedding: Tensor,
    loras: Sequence[tuple[LoraTensors, float]] = (),
) -> Tensor:
    """One row through the library's forward, with LoRAs by peft."""
    names = [f"lora_{place}" for place in range(len(loras))]
    try:
        with warnings.catch_warnings():
            # peft warns of a second adapter on one model, which is what a stack of LoRAs is.
            warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
            for name, (tensors, _) in zip(names, loras, strict=True):
                stock_pipeline.load_lora_weights(dict(tensors), adapter_name=name)
        if loras:
            stock_pipeline.set_adapters(names, adapter_weights=[strength for _, strength in loras])
        out = stock_pipeline.transformer(
            [latents[:, None]], torch.tensor([time]), [embedding], return_dict=False
        )[0]
        return torch.as_tensor(out[0][:, 0])
    finally:
        if loras:
            stock_pipeline.unload_lora_weights()


def shapes_of(forward: Forward) -> dict[str, tuple[int, int]]:
    """The model's linear layers as a LoRA file names them."""
    return {
        part: (len(matrix.weight[rows]), matrix.weight.shape[1])
        for matrix in forward.weights.matrices.values()
        for part, rows in matrix.parts.items()
    }


def adapter_of(forward: Forward, tensors: LoraTensors) -> Adapter:
    bases = {
        part: matrix.weight[rows]
        for matrix in forward.weights.matrices.values()
        for part, rows in matrix.parts.items()
    }
    updates = normalise(tensors, shapes_of(forward))
    return convert(updates, forward.dtype, bases.__getitem__, is_pinned=False)


def random_lora(forward: Forward, seed: int, rank: int, only: str = "") -> dict[str, Tensor]:
    """A LoRA on every linear layer whose name contains ``only``, with a visible effect."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for part, (out, into) in shapes_of(forward).items():
        if only in part:
            tensors[f"transformer.{part}.lora_A.weight"] = torch.randn(rank, into, generator=generator) * 0.05
            tensors[f"transformer.{part}.lora_B.weight"] = torch.randn(out, rank, generator=generator) * 0.05
    return tensors


def reference_rope(
    qkv: Tensor, norms: Tensor, cos: Tensor, sin: Tensor, queries: int, epsilon: float
) -> None:
    """As ``engine.zimage.text.rope_kernel.apply_rope``, in torch."""
    keys = (qkv.shape[1] - queries) // 2
    heads = qkv[:, : queries + keys]
    own = norms.repeat_interleave(torch.tensor([queries, keys]), dim=0)
    normed = heads * torch.rsqrt(heads.pow(2).mean(-1, keepdim=True) + epsilon) * own
    left, right = normed.chunk(2, dim=-1)
    heads.copy_(normed * cos[:, None] + torch.cat([-right, left], dim=-1) * sin[:, None])
