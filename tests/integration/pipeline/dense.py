"""What a LoRA of any kind must do, by the dense weights: float64, no copy, no side path, no plan."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.eight_bit.formats import EightBitFormat
from engine.eight_bit.quantise import quantise
from engine.lora.patches import Patches
from engine.lora.updates import Dense, FileUpdates, Kronecker, LowRank, Update
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.weights import Layer
from tests.integration.pipeline.placed import EMBEDDING, TIMES

Mix = Sequence[tuple[FileUpdates, float]]  # what the files of a stack change, each with its strength


def delta(update: Update, base: Tensor) -> Tensor:
    """The change of a weight at strength 1, float64 [out, in]."""
    total = torch.zeros_like(base)
    for term in update.terms:
        match term:
            case LowRank(down, up):
                total += up.double() @ down.double()
            case Kronecker(left, right):
                total += torch.kron(left.double(), right.double())[term.rows]
            case Dense(own):
                total += own.double()
    if update.magnitude is None:
        return total
    changed = base + total
    return update.magnitude.double()[:, None] * changed / changed.norm(dim=1, keepdim=True) - base


def dense_weight(weight: Tensor, parts: Mapping[str, slice], mix: Mix) -> Tensor:
    """A fused layer's weight with LoRAs, float64, in main memory."""
    weight = weight.cpu()
    dense = weight.to(torch.float64, copy=True)
    for part, rows in parts.items():
        for updates, strength in mix:
            if update := updates.linears.get(part):
                dense[rows] += strength * delta(update, weight[rows].double())
    return dense


def dense_vector(base: Tensor, parts: Mapping[str, slice], mix: Mix) -> Tensor:
    """A bias or norms with LoRAs, float64, in main memory."""
    dense = base.cpu().to(torch.float64, copy=True)
    for part, rows in parts.items():
        for updates, strength in mix:
            own = updates.linears.get(part.removesuffix(".bias"))
            change = own.bias if own and part.endswith(".bias") else updates.vectors.get(part)
            if change is not None:
                dense[rows] += strength * change.double().view(dense[rows].shape)
    return dense


class DenseModel:
    """The transformer with its own weights changed.

    Args:
        forward: Of the unchanged one, whose base weights are on the device.
        mix: The LoRAs.
        eight_bit: The format of the large layers, if it has one.
    """

    def __init__(self, forward: Forward, mix: Mix, eight_bit: EightBitFormat | None = None) -> None:
        weights, vectors = forward.weights, forward.weights.vectors
        layers = {}
        for name, layer in weights.layers.items():
            dense = dense_weight(layer.weight, weights.parts[name], mix).to(layer.weight)
            own = vectors[f"{name}.bias"]
            bias = dense_vector(own.base, own.parts, mix).to(own.base)
            layers[name] = Layer(dense, bias)
            if eight_bit is not None and name in weights.large_layers:
                values, scales, _ = quantise(dense, eight_bit)
                layers[name] = Layer(values, bias if bias.any() else None, scales=scales)
        tensors = {
            name: dense_vector(base, vectors[name].parts, mix).to(base)
            for name, base in weights.tensors.items()
        }
        self._weights = replace(weights, layers=layers, tensors=tensors, modulations=None)
        self._forward = forward
        self._patches = Patches(is_eight_bit=eight_bit is not None)

    def velocity(self, latents: Tensor) -> Tensor:
        """What it predicts for one picture."""
        forward, known = self._forward, self._forward.weights
        try:
            forward.weights = self._weights
            forward._cached_weights = self._patches, self._weights
            device = forward.device
            caption = forward.refine_caption(EMBEDDING.to(device), self._patches)
            batch = forward.batch([caption], [(latents.shape[1], latents.shape[2])], self._patches)
            return batch([latents.to(device)], TIMES.to(device))[0].clone()
        finally:
            forward.weights = known
            forward.drop_caches()
