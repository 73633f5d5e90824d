"""The text encoder: Qwen3's layers without the last, whose input is the embedding of a prompt.

It reads the library's weights and needs no library: importing one takes 11 s of a worker's start. On a card a
layer is 14 kernels instead of 62, because a prompt is so short that launches dominate, even in a graph.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import structlog
import torch
import torch.nn.functional as nn
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.eight_bit.quantise import EightBitMatrix
from engine.zimage.text.scaled import EncoderMatrix, bytes_of, joined, linear

TOLERANCE = 0.03  # relative error of one layer's change of its input, in bfloat16
TRIED = 8  # tokens
EMBEDDING = "embed_tokens.weight"
DEFAULT_THETA = 10_000.0  # of a configuration that names none

log = structlog.get_logger("engine.zimage")


class EncoderConfig(BaseModel):
    """``text_encoder/config.json``; other fields are ignored.

    Raises:
        ValueError: The encoder has parts that this module does not compute.
    """

    model_config = ConfigDict(frozen=True)

    num_hidden_layers: Annotated[int, Field(ge=2)]
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    hidden_act: str
    attention_bias: bool = False
    use_sliding_window: bool = False
    rope_theta: float | None = None  # before transformers 5
    rope_parameters: Mapping[str, Any] = {}
    rope_scaling: Mapping[str, Any] | None = None

    def model_post_init(self, _: Any) -> None:
        """Check that every layer is of the kind that this module computes."""
        is_scaled = self.rope_parameters.get("rope_type", "default") != "default" or self.rope_scaling
        if self.hidden_act != "silu" or self.attention_bias or self.use_sliding_window or is_scaled:
            raise ValueError("The text encoder is a variant of Qwen3 that cannot be used.")

    @property
    def theta(self) -> float:
        """The base of the rotary frequencies."""
        return float(self.rope_theta or self.rope_parameters.get("rope_theta", DEFAULT_THETA))


class LayerWeights(NamedTuple):
    """One layer; the products of queries, keys and values are fused, and so are the feed-forward's first two.

    ``qkv`` [(queries + 2 · keys) · head, width], ``norms`` [2, head] of queries and keys, ``out``
    [width, queries · head], ``w13`` [2 · inner, width], ``w2`` [width, inner], the other norms [width].
    """

    norm_before_attention: Tensor
    qkv: EncoderMatrix
    norms: Tensor
    out: EncoderMatrix
    norm_before_feed: Tensor
    w13: EncoderMatrix
    w2: EncoderMatrix


_ApplyRope = Callable[[Tensor, Tensor, Tensor, Tensor, int, float], None]
_Swiglu = Callable[[Tensor], Any]
_FUSED = {
    "qkv": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    "w13": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
}


def fused_layers(
    tensors: dict[str, Tensor], config: EncoderConfig, scaled: dict[str, EightBitMatrix] | None = None
) -> list[LayerWeights]:
    """Take the weights of all layers but the last out of ``tensors``, fused; one is held twice at a time.

    Args:
        tensors: By the library's names, without the prefix ``model.``. The used ones are removed.
        config: The encoder's.
        scaled: The matrices that are in eight bits, by the same names; they are removed, too.

    Raises:
        LookupError: Weights are missing.
    """

    def take(*names: str) -> EncoderMatrix:
        if scaled:
            return joined([scaled.pop(name) for name in names])
        weights = [tensors.pop(name) for name in names]
        return weights[0] if len(weights) == 1 else torch.cat(weights)

    layers = []
    for number, (before_attention, of_heads, before_feed) in enumerate(layer_norms(tensors, config)):
        prefix = f"layers.{number}"
        fused = {name: take(*(f"{prefix}.{part}" for part in parts)) for name, parts in _FUSED.items()}
        out, w2 = (take(f"{prefix}.{part}.weight") for part in ("self_attn.o_proj", "mlp.down_proj"))
        layers.append(
            LayerWeights(before_attention, fused["qkv"], of_heads, out, before_feed, fused["w13"], w2)
        )
    return layers


def layer_norms(tensors: Mapping[str, Tensor], config: EncoderConfig) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return the norms of each layer but the last: before attention, of queries and keys, before the rest.

    Raises:
        LookupError: Weights are missing.
    """
    norms = []
    for prefix in (f"layers.{number}" for number in range(config.num_hidden_layers - 1)):
        of_heads = torch.stack([tensors[f"{prefix}.self_attn.{name}_norm.weight"] for name in "qk"])
        before_attention = tensors[f"{prefix}.input_layernorm.weight"]
        norms.append((before_attention, of_heads, tensors[f"{prefix}.post_attention_layernorm.weight"]))
    return norms


class TextEncoder:
    """Token ids → hidden states in front of the last layer.

    Args:
        config: The encoder's.
        embedding: [vocabulary, width]; in main memory while the layers are on a card, which needs a few rows.
        layers: All but the last, as a list if they are on the device. Other layers are copied to it while
            they are iterated, once for each prompt.
        device: Where the layers are computed.
    """

    def __init__(
        self, config: EncoderConfig, embedding: Tensor, layers: Iterable[LayerWeights], device: torch.device
    ) -> None:
        self.config = config
        self.embedding = embedding
        self.layers = layers
        self.device = device
        self._layer: Callable[..., Tensor] = reference_layer
        steps = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
        self._frequencies = (1.0 / config.theta**steps).to(device)

    @torch.no_grad()
    def look_up(self, ids: list[int]) -> Tensor:
        """Return the tokens' own embeddings: [tokens, width], on the encoder's device."""
        return self.embedding[torch.tensor(ids, device=self.embedding.device)].to(self.device)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Pass the tokens' own embeddings through the layers: [tokens, width] → [tokens, width]."""
        cos, sin = self.rotations(len(x))
        for weights in self.layers:
            x = self._layer(x, weights, cos, sin, self.config)
        return x

    def rotations(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the cosines and sines of ``count`` positions, each [count, head]."""
        angles = torch.arange(count, dtype=torch.float32, device=self.device)[:, None] * self._frequencies
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos().to(self.embedding.dtype), angles.sin().to(self.embedding.dtype)

    @property
    def is_resident(self) -> bool:
        """Whether all layers are on the device."""
        return isinstance(self.layers, list)

    @property
    def nbytes(self) -> int:
        """Memory of the weights on the device; the norms of layers that are not there do not count."""
        layers = self.layers if isinstance(self.layers, list) else []
        embedding = self.embedding.nbytes if self.embedding.device == self.device else 0
        return int(embedding + sum(bytes_of(each) for layer in layers for each in layer))

    def speed_up(self) -> None:
        """Use the card's kernels if they work; otherwise log a warning."""
        if self.device.type != "cuda":
            return
        try:
            from engine.zimage.forward import kernels  # noqa: PLC0415 - Triton, too
            from engine.zimage.text import rope_kernel  # noqa: PLC0415 - Triton is there only on a card

            self.use_kernels(rope_kernel.apply_rope, kernels.swiglu)
        except kernel_errors() as error:
            reason = fallback_reason(error)
            log.warning("the encoder runs without the card's own kernels: prompts take longer", reason=reason)

    @torch.no_grad()
    def use_kernels(self, apply_rope: _ApplyRope, swiglu: _Swiglu) -> None:
        """Compute all layers with these kernels, after testing the first layer against the reference.

        Args:
            apply_rope: As ``engine.zimage.text.rope_kernel.apply_rope``.
            swiglu: As ``engine.zimage.forward.kernels.swiglu``.

        Raises:
            RuntimeError: The results differ.
        """

        def layer(
            x: Tensor, weights: LayerWeights, cos: Tensor, sin: Tensor, config: EncoderConfig
        ) -> Tensor:
            return kernel_layer(x, weights, cos, sin, config, apply_rope, swiglu)

        generator = torch.Generator().manual_seed(0)
        x = torch.randn(TRIED, self.config.hidden_size, generator=generator)
        x = x.to(self.device, self.embedding.dtype)
        layers = iter(self.layers)
        given = next(layers), *self.rotations(TRIED), self.config
        expected, found = ((each(x, *given) - x).float() for each in (reference_layer, layer))
        del layers  # an iteration that is not finished holds memory on the card
        error = float((found - expected).norm() / expected.norm())
        if not error <= TOLERANCE:
            raise RuntimeError(f"a layer's result is off by {error:.3f}")
        self._layer = layer


def reference_layer(
    x: Tensor, weights: LayerWeights, cos: Tensor, sin: Tensor, config: EncoderConfig
) -> Tensor:
    """Compute one layer with torch alone.

    Args:
        x: [tokens, width].
        weights: The layer's.
        cos: Cosines of the angles: [tokens, head].
        sin: Their sines.
        config: The encoder's.
    """
    queries, keys, epsilon = config.num_attention_heads, config.num_key_value_heads, config.rms_norm_eps
    qkv = linear(_norm(x, weights.norm_before_attention, epsilon), weights.qkv)
    qkv = qkv.view(len(x), -1, config.head_dim)
    query, key, value = torch.split(qkv, [queries, keys, keys], dim=1)
    query, key = (
        _rotate(_norm(each, norm, epsilon), cos, sin)
        for each, norm in zip((query, key), weights.norms, strict=True)
    )
    x = x + linear(_attend(query, key, value), weights.out)
    gate, opened = linear(_norm(x, weights.norm_before_feed, epsilon), weights.w13).chunk(2, dim=-1)
    return x + linear(nn.silu(gate) * opened, weights.w2)


def kernel_layer(
    x: Tensor,
    weights: LayerWeights,
    cos: Tensor,
    sin: Tensor,
    config: EncoderConfig,
    apply_rope: _ApplyRope,
    swiglu: _Swiglu,
) -> Tensor:
    """Compute one layer as ``reference_layer`` does, in few launches."""
    queries, keys, epsilon = config.num_attention_heads, config.num_key_value_heads, config.rms_norm_eps
    qkv = linear(nn.rms_norm(x, x.shape[-1:], weights.norm_before_attention, epsilon), weights.qkv)
    qkv = qkv.view(len(x), -1, config.head_dim)
    apply_rope(qkv, weights.norms, cos, sin, queries, epsilon)
    attended = _attend(*torch.split(qkv, [queries, keys, keys], dim=1))
    x = _added(x, attended, weights.out)
    opened = linear(nn.rms_norm(x, x.shape[-1:], weights.norm_before_feed, epsilon), weights.w13)
    return _added(x, swiglu(opened), weights.w2)


def _added(x: Tensor, y: Tensor, weight: EncoderMatrix) -> Tensor:
    """Return ``x + y · weightᵀ``; a matrix of the usual format is added in the same launch."""
    return torch.addmm(x, y, weight.mT) if isinstance(weight, Tensor) else x + linear(y, weight)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention: [tokens, heads, head] → [tokens, heads · head]."""
    query, key, value = (each.transpose(0, 1)[None] for each in (query, key, value))
    attended = nn.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    return attended[0].transpose(0, 1).flatten(1)


def _norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """RMS norm in float32, rounded before its weight, as the library computes it."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)).to(x.dtype)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first half of each head against the second."""
    left, right = x.chunk(2, dim=-1)
    return x * cos[:, None] + torch.cat([-right, left], dim=-1) * sin[:, None]
