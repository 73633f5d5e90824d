"""Files that must be refused: layouts that this bot does not draw, and files that contradict themselves."""

import json
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from engine import errors
from tests.fakes.lora_files.other import lokr, lora, on_linears
from tests.fakes.lora_files.parts import LoraFileMade, Make, Model, Random, merged
from tests.fakes.lora_files.plain import AB, DOWN_UP, QKV, fused, plain

TO_Q = "diffusion_model.layers.0.attention.to_q"
Change = Callable[[dict[str, Tensor], Model], None]


def changed(change: Change, make: Make | None = None) -> Make:
    """A good file with one thing wrong."""

    def made(model: Model) -> LoraFileMade:
        file = (make or plain("diffusion_model.", DOWN_UP, alpha=2.0))(model)
        change(file.tensors, model)
        return file

    return made


def adding_named(tensors: Mapping[str, Tensor], make: Make | None = None) -> Make:
    return changed(lambda file, _: file.update(tensors), make)


def without(ending: str) -> Make:
    return changed(lambda file, _: file.__delitem__(f"{TO_Q}.{ending}"))


def replaced(ending: str, make: Callable[[Tensor], Tensor]) -> Make:
    def change(file: dict[str, Tensor], _: Model) -> None:
        name = f"{TO_Q}.{ending}"
        file[name] = make(file[name]).contiguous()

    return changed(change)


def metadata(text: str, make: Make | None = None) -> Make:
    def made(model: Model) -> LoraFileMade:
        file = (make or plain())(model)
        file.metadata["lora_adapter_metadata"] = text
        return file

    return made


def stating(**config: object) -> Make:
    return metadata(json.dumps({f"transformer.{key}": value for key, value in config.items()}))


def split_and_fused(model: Model) -> LoraFileMade:
    one = plain("diffusion_model.")(model)
    other = fused("attention.qkv", QKV, "diffusion_model.", AB, None)(model)
    one.tensors |= other.tensors
    return one


def two_prefixes(model: Model) -> LoraFileMade:
    one, other = plain("diffusion_model.")(model), plain("transformer.")(model)
    one.tensors |= other.tensors
    return one


def two_kinds(model: Model) -> LoraFileMade:
    one = on_linears(lora(), "diffusion_model.")(model)
    one.tensors |= on_linears(lokr(alpha=1.0), "diffusion_model.")(model).tensors
    return one


def other_model(model: Model) -> LoraFileMade:
    random = Random()
    return LoraFileMade(
        {
            "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": random(4, 48),
            "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight": random(48, 4),
        }
    )


def other_width(model: Model) -> LoraFileMade:
    random = Random()
    return LoraFileMade({f"{TO_Q}.lora_A.weight": random(4, 52), f"{TO_Q}.lora_B.weight": random(52, 4)})


def norm_and_other_block(model: Model) -> LoraFileMade:
    wrong = LoraFileMade({"diffusion_model.layers.99.attention_norm1.diff": Random()(48)})
    return merged(plain("diffusion_model.")(model), wrong)


def layouts() -> Iterator[tuple[str, Make, type[errors.LoraRejected]]]:
    """Layouts that trainers write and this bot refuses: name, maker, error."""
    encoder = errors.LoraForTextEncoder
    pair = {"lora_down.weight": Random()(4, 8), "lora_up.weight": Random()(8, 4)}
    for prefix in ("lora_te1_layers_0_self_attn_q_proj.", "text_encoder.layers.0.self_attn.q_proj."):
        tensors = {f"{prefix}{end}": each for end, each in pair.items()}
        yield f"text encoder, {prefix.partition('layers')[0]}", adding_named(tensors), encoder
    column = on_linears(lora(), "diffusion_model.")
    tensors = {f"{TO_Q}.dora_scale": Random()(1, 48)}
    yield "DoRA by columns", adding_named(tensors, column), errors.LoraUnsupported
    yield "PiSSA", stating(r=4, lora_alpha=4, init_lora_weights="pissa"), errors.LoraScaleRefused


def broken() -> Iterator[tuple[str, Make, type[errors.LoraRejected]]]:
    """Files that nobody means to publish: name, maker, error."""
    twice, half = errors.LoraNamedTwice, errors.LoraIncomplete
    unsupported, scale = errors.LoraUnsupported, errors.LoraScaleRefused
    foreign = errors.LoraForAnotherModel
    yield "split and fused", split_and_fused, twice
    yield "two prefixes", two_prefixes, twice
    yield "two adapters", adding_named({f"{TO_Q}.lora_A.other.weight": Random()(4, 48)}), twice
    yield "LoRA and LoKr", two_kinds, half
    yield "only down", without("lora_up.weight"), half
    yield "only alpha", adding_named({"diffusion_model.layers.1.attention.to_q.alpha": Random()(1)}), half
    yield "ranks differ", replaced("lora_down.weight", lambda own: own[:3]), half
    yield "matrix of one dimension", replaced("lora_down.weight", lambda own: own[0]), half
    yield (
        "convolution of nine pixels",
        replaced("lora_down.weight", lambda own: own[:, :, None, None].expand(-1, -1, 3, 3)),
        half,
    )
    yield "rank zero", changed(_no_rank), errors.LoraRankRefused
    yield "rank 1025", plain(rank=1025), errors.LoraRankRefused
    yield "whole numbers", replaced("lora_down.weight", lambda own: own.to(torch.int8)), unsupported
    yield "three alphas", replaced("alpha", lambda own: own.repeat(3)), unsupported
    yield "alpha is not a number", replaced("alpha", lambda own: own * float("nan")), errors.LoraNotFinite
    yield "a number is infinite", replaced("lora_down.weight", lambda own: own / 0.0), errors.LoraNotFinite
    yield "no effect", changed(_zero), errors.LoraAllZero
    yield "far too strong", replaced("alpha", lambda own: own * 1e5), errors.LoraTooStrong
    yield (
        "magnitudes alone",
        adding_named({"diffusion_model.layers.1.attention.to_q.magnitude": torch.ones(48)}),
        half,
    )
    for name in ("lokr_t2", "hada_t1", "lora_mid.weight", "oft_blocks", "scale_weight", "lora_B_bias"):
        yield f"unknown {name}", adding_named({f"{TO_Q}.{name}": torch.ones(4, 4)}), unsupported
    yield "unknown name", adding_named({"network.version": torch.ones(1)}), unsupported
    yield "a bias of another length", adding_named({f"{TO_Q}.diff_b": torch.ones(47)}), foreign
    yield "an empty bias", adding_named({f"{TO_Q}.diff_b": torch.ones(0)}), foreign
    norm = {"diffusion_model.layers.0.attention_norm1.diff": torch.ones(47)}
    yield "a norm of another length", adding_named(norm), foreign
    norm = {"diffusion_model.layers.0.attention_norm1.diff_b": torch.ones(48)}
    yield "a bias of a norm", adding_named(norm), foreign
    yield "another model", other_model, foreign
    yield "another width", other_width, foreign
    yield "another block", norm_and_other_block, foreign
    yield "no tensors", lambda model: LoraFileMade(), unsupported
    yield "metadata: not JSON", metadata("{"), scale
    yield "metadata: a list", metadata("[]"), scale
    yield "metadata: alpha is text", stating(r=4, lora_alpha="4"), scale
    yield "metadata: alpha is infinite", metadata('{"r": 4, "lora_alpha": 1e999}'), scale
    yield "metadata: rank 0", stating(r=0, lora_alpha=4), scale
    yield "metadata: another rank", stating(r=8, lora_alpha=4), scale
    yield (
        "metadata: a pattern that is an expression",
        stating(r=4, lora_alpha=4, alpha_pattern={"(a+)+$": 8}),
        scale,
    )
    yield "metadata: DoRA without magnitudes", stating(r=4, lora_alpha=4, use_dora=True), scale
    yield "metadata: a strange adapter", stating(r=4, lora_alpha=4, peft_type="OFT"), scale
    yield "metadata: patterns without alpha", stating(r=4, alpha_pattern={"to_q": 8}), scale
    yield "metadata: endless", metadata(" " * 2**18 + "{}"), scale


def _no_rank(file: dict[str, Tensor], _: Model) -> None:
    file[f"{TO_Q}.lora_down.weight"] = torch.ones(0, 48)
    file[f"{TO_Q}.lora_up.weight"] = torch.ones(48, 0)


def _zero(file: dict[str, Tensor], _: Model) -> None:
    for name in file:
        if "lora_up" in name:
            file[name] = torch.zeros_like(file[name])
