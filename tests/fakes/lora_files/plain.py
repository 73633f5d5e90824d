"""Files of plain LoRAs: prefixes, endings, fused matrices, aliases, number formats, ranks and scales."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt

import torch

from tests.fakes.lora_files.parts import (
    LoraFileMade,
    Make,
    Model,
    Random,
    low_rank,
    merged,
    number,
    some_linears,
    split_rows,
)

DOTTED = (
    *("", "transformer.", "diffusion_model.", "model.diffusion_model.", "base_model.model.", "pipe.dit."),
    *("transformer.diffusion_model.", "base_model.model.transformer.", "base_model.model.diffusion_model."),
)
LINED = ("lora_unet_", "lora_unet__", "lycoris_", "lora_transformer_")
AB = ("lora_A.weight", "lora_B.weight")
DOWN_UP = ("lora_down.weight", "lora_up.weight")
RANK = 4


def named(prefix: str, module: str) -> str:
    return prefix + (module.replace(".", "_") if prefix in LINED else module)


def plain(
    prefix: str = "transformer.",
    endings: Sequence[str] = AB,
    *,
    rank: int = RANK,
    alpha: float | None = None,
    alpha_dtype: torch.dtype = torch.float32,
    alpha_shape: Sequence[int] = (),
    dtype: torch.dtype = torch.float32,
    tail: tuple[int, ...] = (),
    join: str = ".",
) -> Make:
    """A LoRA of a linear of every kind."""

    def make(model: Model) -> LoraFileMade:
        random, made = Random(rank, dtype), LoraFileMade()
        for module in some_linears(model):
            out, into = model.linears[module]
            down, up = random(rank, into), random(out, rank)
            stem = named(prefix, module)
            made.tensors[f"{stem}{join}{endings[0]}"] = down.reshape(*down.shape, *tail)
            made.tensors[f"{stem}{join}{endings[1]}"] = up.reshape(*up.shape, *tail)
            scale = 1.0
            if alpha is not None:
                stored = number(alpha, alpha_dtype, alpha_shape)
                made.tensors[f"{stem}.alpha"] = stored
                scale = stored.double().item() / rank
            made.effect[f"{module}.weight"] = low_rank(up, down, scale)
        return made

    return make


def fused(name: str, parts: Sequence[str], prefix: str, endings: Sequence[str], alpha: float | None) -> Make:
    """A LoRA of several modules that are one matrix."""

    def make(model: Model) -> LoraFileMade:
        random, made = Random(3), LoraFileMade()
        for block in ("layers.0", "context_refiner.0"):
            modules = [f"{block}.{part}" for part in parts]
            rows, into = sum(model.linears[each][0] for each in modules), model.linears[modules[0]][1]
            down, up = random(RANK, into), random(rows, RANK)
            stem = named(prefix, f"{block}.{name}")
            made.tensors |= {f"{stem}.{endings[0]}": down, f"{stem}.{endings[1]}": up}
            if alpha is not None:
                made.tensors[f"{stem}.alpha"] = number(alpha)
            delta = low_rank(up, down, 1.0 if alpha is None else alpha / RANK)
            split_rows(made, delta, modules, model)
        return made

    return make


def converted_qkv(rank: int) -> Make:
    """As a converter fuses three LoRAs: down stacked, up in three blocks, the rank three times as large."""

    def make(model: Model) -> LoraFileMade:
        random, made = Random(1), LoraFileMade()
        modules = [f"layers.0.attention.to_{part}" for part in "qkv"]
        pairs = [
            (random(rank, model.linears[each][1], size=0.1), random(model.linears[each][0], rank, size=0.1))
            for each in modules
        ]
        stem = "diffusion_model.layers.0.attention.qkv"
        made.tensors[f"{stem}.lora_down.weight"] = torch.cat([down for down, _ in pairs])
        made.tensors[f"{stem}.lora_up.weight"] = torch.block_diag(*(up for _, up in pairs))
        made.tensors[f"{stem}.alpha"] = number(3.0 * rank / 2)
        for module, (down, up) in zip(modules, pairs, strict=True):
            made.effect[f"{module}.weight"] = low_rank(up, down, 0.5)
        return made

    return make


def aliased(names: Mapping[str, str], prefix: str) -> Make:
    def make(model: Model) -> LoraFileMade:
        random, made = Random(6), LoraFileMade()
        for alias, module in names.items():
            out, into = model.linears[module]
            down, up = random(RANK, into), random(out, RANK)
            stem = named(prefix, alias)
            made.tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
            made.tensors[f"{stem}.alpha"] = number(2)
            made.effect[f"{module}.weight"] = low_rank(up, down, 2 / RANK)
        return made

    return make


def stated(config: Mapping[str, object], scales: Mapping[str, float], prefix: str = "transformer.") -> Make:
    """As diffusers saves: the scale is in the metadata only.

    Args:
        config: peft's configuration.
        scales: End of a module's name → scale; "" is the rest.
        prefix: Before each key of the configuration.
    """
    ranks = config.get("rank_pattern", {})
    assert isinstance(ranks, dict)

    def own(module: str, numbers: Mapping[str, float]) -> float | None:
        return next((each for end, each in numbers.items() if end and module.endswith(end)), None)

    def make(model: Model) -> LoraFileMade:
        random, made = Random(8), LoraFileMade()
        for module in some_linears(model):
            out, into = model.linears[module]
            rank = int(own(module, ranks) or int(str(config["r"])))
            down, up = random(rank, into), random(out, rank)
            made.tensors |= {
                f"transformer.{module}.lora_A.weight": down,
                f"transformer.{module}.lora_B.weight": up,
            }
            scale = own(module, scales) or scales[""]
            made.effect[f"{module}.weight"] = low_rank(up, down, scale)
        entries = {f"{prefix}{key}": value for key, value in config.items()}
        made.metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(entries)}
        return made

    return make


def with_metadata(make: Make, **metadata: str) -> Make:
    def made(model: Model) -> LoraFileMade:
        file = make(model)
        file.metadata |= metadata
        return file

    return made


def mixed(model: Model) -> LoraFileMade:
    """Ranks that differ and no alpha at all: each product counts as it is."""
    files = []
    for rank, end in ((4, "to_q"), (16, "w1"), (2, "adaLN_modulation.0")):
        whole = plain(rank=rank)(model)
        keep = [name for name in whole.effect if name.startswith("layers.0") and f".{end}." in name]
        files.append(
            LoraFileMade(
                {
                    name: tensor
                    for name, tensor in whole.tensors.items()
                    if any(f"transformer.{each.removesuffix('.weight')}." in name for each in keep)
                },
                {},
                {name: whole.effect[name] for name in keep},
            )
        )
    return merged(*files)


def _half_alpha(model: Model) -> LoraFileMade:
    """A scale that half precision does not hold: 1/3."""
    return plain("lora_unet_", DOWN_UP, rank=3, alpha=1.0, dtype=torch.float16)(model)


ALIASES = {
    "layers.0.attention.out": "layers.0.attention.to_out.0",
    "layers.1.attention.to_out": "layers.1.attention.to_out.0",
    "final_layer.linear": "all_final_layer.2-1.linear",
    "final_layer.adaLN_modulation.1": "all_final_layer.2-1.adaLN_modulation.1",
    "x_embedder": "all_x_embedder.2-1",
}
OWN = {
    name: name
    for name in (
        *("all_final_layer.2-1.linear", "all_final_layer.2-1.adaLN_modulation.1", "all_x_embedder.2-1"),
        *("cap_embedder.1", "t_embedder.mlp.0"),
    )
}
QKV = ("attention.to_q", "attention.to_k", "attention.to_v")
BASE = {"r": 16, "lora_alpha": 4, "use_rslora": False, "peft_type": "LORA", "init_lora_weights": "gaussian"}


def _scales() -> Iterator[tuple[str, Make]]:
    patterns = {"alpha_pattern": {"to_q": 32, "layers.0.feed_forward.w1": 8}}
    quarter: Mapping[str, float] = {"": 0.25}
    yield "metadata: alpha 4, rank 16", stated(BASE, quarter)
    yield "metadata without prefix", stated(BASE, quarter, prefix="")
    yield (
        "metadata: alpha pattern",
        stated(BASE | patterns, {"to_q": 2, "layers.0.feed_forward.w1": 0.5, "": 0.25}),
    )
    yield "metadata: rank pattern", stated(BASE | {"rank_pattern": {"to_k": 8}}, {"to_k": 0.5, "": 0.25})
    both = {"rank_pattern": {"to_k": 8}, "alpha_pattern": {"to_k": 2}}
    yield "metadata: rank and alpha pattern", stated(BASE | both, quarter)
    yield "metadata: rslora", stated(BASE | {"use_rslora": True}, {"": 1.0})
    roots = {"use_rslora": True, "rank_pattern": {"to_v": 8}}
    yield "metadata: rslora and rank pattern", stated(BASE | roots, {"to_v": 4 / sqrt(8), "": 1.0})
    yield "metadata: fractions", stated(BASE | {"lora_alpha": 4.5}, {"": 4.5 / 16})
    config = json.dumps({"transformer.r": 4, "transformer.lora_alpha": 1})
    yield "alpha and metadata: once", with_metadata(plain(alpha=2.0), lora_adapter_metadata=config)
    yield "alpha and broken metadata", with_metadata(plain(alpha=2.0), lora_adapter_metadata="{")
    config = json.dumps({"transformer.r": 4, "text_encoder.lora_alpha": 1})
    yield "metadata of another part", with_metadata(plain(), lora_adapter_metadata=config)
    yield "metadata of kohya", with_metadata(plain("lora_unet_", DOWN_UP, alpha=2), ss_network_alpha="64")
    yield "mixed ranks without alphas", mixed


def files() -> Iterator[tuple[str, Make]]:
    """Every file, as layout and its maker."""
    for prefix in DOTTED:
        yield f"prefix {prefix or 'none'}", plain(prefix)
        yield f"prefix {prefix or 'none'} with alpha", plain(prefix, DOWN_UP, alpha=2.0)
    for prefix in LINED:
        yield f"prefix {prefix}", plain(prefix, DOWN_UP)
        yield f"prefix {prefix} with alpha", plain(prefix, DOWN_UP, alpha=3.0)
    yield "lora_A with alpha", plain(alpha=8.0)
    yield "kohya's path with lora_A", plain("lora_unet_", AB)
    for adapter in ("default", "my-face", "face.v1.0", "人像 2", "default_0"):
        yield f"adapter {adapter}", plain(endings=(f"lora_A.{adapter}.weight", f"lora_B.{adapter}.weight"))
    yield "without .weight", plain(endings=("lora_A", "lora_B"))
    yield "adapter without .weight", plain(endings=("lora_A.default", "lora_B.default"))
    yield "down and up without .weight", plain(endings=("lora_down", "lora_up"), alpha=2)
    yield "lora.down", plain(endings=("lora.down.weight", "lora.up.weight"))
    yield "lora_linear_layer", plain(endings=("lora_linear_layer.down.weight", "lora_linear_layer.up.weight"))
    yield "_lora.down", plain(endings=("lora.down.weight", "lora.up.weight"), join="_")
    for name in ("attention.qkv", "attention.to_qkv"):
        yield f"fused {name}", fused(name, QKV, "diffusion_model.", AB, None)
        yield f"fused {name} with alpha", fused(name, QKV, "diffusion_model.", DOWN_UP, 2.0)
        yield f"fused {name} of kohya", fused(name, QKV, "lora_unet_", DOWN_UP, 2.0)
    gate = ("feed_forward.w1", "feed_forward.w3")
    yield "fused w13", fused("feed_forward.w13", gate, "transformer.", AB, None)
    yield "fused w13 of kohya", fused("feed_forward.w13", gate, "lora_unet_", DOWN_UP, 2.0)
    for prefix in ("diffusion_model.", "lora_unet_"):
        yield f"aliases with {prefix}", aliased(ALIASES, prefix)
        yield f"embedders with {prefix}", aliased(OWN, prefix)
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32):
        yield f"alpha in {dtype}", plain("lora_unet_", DOWN_UP, alpha=3, alpha_dtype=dtype)
    for shape in ((1,), (1, 1)):
        yield f"alpha of shape {shape}", plain("lora_unet_", DOWN_UP, alpha=3, alpha_shape=shape)
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2):
        yield f"numbers in {dtype}", plain(dtype=dtype)
        yield f"numbers in {dtype} with alpha", plain("lora_unet_", DOWN_UP, dtype=dtype, alpha=1.0)
    yield "alpha beyond half precision", _half_alpha
    yield "convolutions of one pixel", plain("lora_unet_", DOWN_UP, alpha=2.0, tail=(1, 1))
    for rank in (1, 256, 384, 1024):
        yield f"rank {rank}", plain(rank=rank, alpha=float(rank))
    yield "converted qkv of rank 128", converted_qkv(128)
    yield from _scales()
