"""ComfyUI's names of Z-Image's layers → the library's, and the shapes that a configuration asks for."""

from collections.abc import Mapping
from typing import Any

from engine.checkpoint.header import MAX_TENSORS

Shape = tuple[int, ...]

_PREFIX = "model.diffusion_model."
_LEFT_OVER = frozenset({"norm_final.weight"})  # of Lumina 2, from which ComfyUI's module descends; unused
_RENAMED = {
    "x_embedder.": "all_x_embedder.2-1.",
    "final_layer.": "all_final_layer.2-1.",
    ".attention.q_norm.": ".attention.norm_q.",
    ".attention.k_norm.": ".attention.norm_k.",
    ".attention.out.": ".attention.to_out.0.",
}
_FUSED, _PARTS = ".attention.qkv.", (".attention.to_q.", ".attention.to_k.", ".attention.to_v.")
_TIME_WIDTH, _TIME_HIDDEN = 256, 1024  # of the time embedding, in every Z-Image
_FEED_FORWARD = 8 / 3  # inner width over the width of a token
_PATCH_AREA = 4  # latents of a token


def library_names(key: str) -> list[str]:
    """Return the names of what a tensor holds: three for fused query, key and value, none if it is unused."""
    name = key.removeprefix(_PREFIX)
    if name in _LEFT_OVER:
        return []
    for old, new in _RENAMED.items():
        if name.startswith(old) or (old.startswith(".") and old in name):
            name = name.replace(old, new)
    return [name.replace(_FUSED, part) for part in _PARTS] if _FUSED in name else [name]


def expected_shapes(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Return every tensor of a transformer with this configuration, by the library's names.

    Args:
        config: ``transformer/config.json``.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: The configuration is not Z-Image's.
    """
    width, caption, channels = int(config["dim"]), int(config["cap_feat_dim"]), int(config["in_channels"])
    heads, inner, time = int(config["n_heads"]), int(width * _FEED_FORWARD), min(width, _TIME_WIDTH)
    token = channels * _PATCH_AREA
    shapes: dict[str, Shape] = {
        "x_pad_token": (1, width),
        "cap_pad_token": (1, width),
        "cap_embedder.0.weight": (caption,),
        **_linear("all_x_embedder.2-1", width, token),
        **_linear("cap_embedder.1", width, caption),
        **_linear("t_embedder.mlp.0", _TIME_HIDDEN, _TIME_WIDTH),
        **_linear("t_embedder.mlp.2", time, _TIME_HIDDEN),
        **_linear("all_final_layer.2-1.linear", token, width),
        **_linear("all_final_layer.2-1.adaLN_modulation.1", width, time),
    }
    refiners, blocks = range(int(config["n_refiner_layers"])), range(int(config["n_layers"]))
    if len(blocks) + len(refiners) > MAX_TENSORS:
        raise ValueError(f"{max(len(blocks), len(refiners))} layers")
    for block in [f"context_refiner.{number}" for number in refiners]:
        shapes |= _block(block, width, width // heads, inner)
    modulated = [f"noise_refiner.{number}" for number in refiners] + [f"layers.{number}" for number in blocks]
    for block in modulated:
        shapes |= _block(block, width, width // heads, inner)
        shapes |= _linear(f"{block}.adaLN_modulation.0", 4 * width, time)
    return shapes


def _linear(name: str, out: int, into: int) -> dict[str, Shape]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _block(name: str, width: int, head: int, inner: int) -> dict[str, Shape]:
    square = ("to_q", "to_k", "to_v", "to_out.0")
    norms = ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2")
    return {
        **{f"{name}.attention.{part}.weight": (width, width) for part in square},
        **{f"{name}.attention.{part}.weight": (head,) for part in ("norm_q", "norm_k")},
        **{f"{name}.{part}.weight": (width,) for part in norms},
        **{f"{name}.feed_forward.{part}.weight": (inner, width) for part in ("w1", "w3")},
        f"{name}.feed_forward.w2.weight": (width, inner),
    }
