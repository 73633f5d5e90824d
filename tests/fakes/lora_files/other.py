"""Files of other updates than plain LoRAs: LoKr, LoHa, DoRA, differences and biases."""

import json
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from tests.fakes.lora_files.parts import (
    LoraFileMade,
    Make,
    Model,
    Numbers,
    Random,
    dora,
    fused_weight,
    kronecker,
    low_rank,
    merged,
    number,
    some_linears,
    split_rows,
)
from tests.fakes.lora_files.plain import AB, DOWN_UP, QKV, RANK, named, plain

# What a kind of update adds for a matrix of a shape: tensors by ending, and the difference.
Kind = Callable[[tuple[int, int], Random], tuple[Numbers, Tensor]]


def lokr(
    *, left: int = 0, right: int = 0, alpha: float | None = None, side: int = 4, tail: tuple[int, ...] = ()
) -> Kind:
    """A Kronecker product; ``left`` and ``right`` are the ranks of its factors, 0 for a whole one."""

    def factor(name: str, shape: tuple[int, int], rank: int, random: Random) -> tuple[Numbers, Tensor]:
        if not rank:
            whole = random(*shape)
            return {name: whole.reshape(*shape, *tail)}, whole.double()
        up, down = random(shape[0], rank), random(rank, shape[1])
        return {f"{name}_a": up, f"{name}_b": down}, low_rank(up, down)

    def make(shape: tuple[int, int], random: Random) -> tuple[Numbers, Tensor]:
        (out, into), (rows, columns) = shape, (side, 4)
        first, w1 = factor("lokr_w1", (rows, columns), left, random)
        second, w2 = factor("lokr_w2", (out // rows, into // columns), right, random)
        numbers = first | second
        scale = 1.0
        if alpha is not None:
            numbers["alpha"] = number(alpha)
            if left or right:  # of two whole factors the alpha is ignored
                scale = alpha / (right or left)
        return numbers, kronecker(w1, w2, scale)

    return make


def loha(rank: int, alpha: float | None = None, tail: tuple[int, ...] = ()) -> Kind:
    def make(shape: tuple[int, int], random: Random) -> tuple[Numbers, Tensor]:
        out, into = shape
        names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
        matrices = [random(*each) for each in ((out, rank), (rank, into), (out, rank), (rank, into))]
        numbers = {name: each.reshape(*each.shape, *tail) for name, each in zip(names, matrices, strict=True)}
        scale = 1.0
        if alpha is not None:
            numbers["alpha"] = number(alpha)
            scale = alpha / rank
        a, b, c, d = matrices
        return numbers, low_rank(a, b) * low_rank(c, d) * scale

    return make


def lora(endings: Sequence[str] = DOWN_UP, alpha: float | None = 2.0) -> Kind:
    def make(shape: tuple[int, int], random: Random) -> tuple[Numbers, Tensor]:
        down, up = random(RANK, shape[1]), random(shape[0], RANK)
        numbers = {endings[0]: down, endings[1]: up}
        if alpha is None:
            return numbers, low_rank(up, down)
        return numbers | {"alpha": number(alpha)}, low_rank(up, down, alpha / RANK)

    return make


def diff(shape: tuple[int, int], random: Random) -> tuple[Numbers, Tensor]:
    delta = random(*shape)
    return {"diff": delta}, delta.double()


def on_linears(kind: Kind, prefix: str = "lycoris_", magnitude: str = "", tail: tuple[int, ...] = ()) -> Make:
    """The update on a linear of every kind; with the name of a magnitude, as DoRA."""

    def make(model: Model) -> LoraFileMade:
        random, made = Random(12), LoraFileMade()
        for module in some_linears(model):
            numbers, delta = kind(model.linears[module], random)
            if magnitude:
                weight = model.weights[f"{module}.weight"]
                norms = random(len(weight), size=0.2).abs() + weight.norm(dim=1)
                numbers[magnitude] = norms.reshape(-1, *tail)
                delta = dora(weight, delta, norms)
            made.tensors |= {f"{named(prefix, module)}.{end}": each for end, each in numbers.items()}
            made.effect[f"{module}.weight"] = delta
        return made

    return make


def on_qkv(kind: Kind, prefix: str = "lycoris_", magnitude: str = "") -> Make:
    """The update on query, key and value as one matrix."""

    def make(model: Model) -> LoraFileMade:
        random, made = Random(13), LoraFileMade()
        for block in ("layers.0", "context_refiner.0"):
            modules = [f"{block}.{part}" for part in QKV]
            weight = fused_weight(model, modules)
            numbers, delta = kind((weight.shape[0], weight.shape[1]), random)
            if magnitude:
                norms = random(len(weight), size=0.2).abs() + weight.norm(dim=1)
                numbers[magnitude] = norms[:, None]
                delta = dora(weight, delta, norms)
            stem = named(prefix, f"{block}.attention.qkv")
            made.tensors |= {f"{stem}.{end}": each for end, each in numbers.items()}
            split_rows(made, delta, modules, model)
        return made

    return make


def norms(ending: str, names: Sequence[tuple[str, str]], prefix: str = "diffusion_model.") -> Make:
    """Differences of norms; each name as the file and as the library calls it."""

    def make(model: Model) -> LoraFileMade:
        random, made = Random(14), LoraFileMade()
        for name, module in names:
            delta = random(model.vectors[f"{module}.weight"])
            made.tensors[f"{named(prefix, name)}.{ending}"] = delta
            made.effect[f"{module}.weight"] = delta.double()
        return made

    return make


def biases(ending: str, prefix: str = "diffusion_model.") -> Make:
    def make(model: Model) -> LoraFileMade:
        random, made = Random(15), LoraFileMade()
        for name, length in model.vectors.items():
            if name.endswith(".bias"):
                delta = random(length)
                made.tensors[f"{named(prefix, name.removesuffix('.bias'))}.{ending}"] = delta
                made.effect[name] = delta.double()
        return made

    return make


def up_biases(alpha: float | None, ending: str = "lora_B.bias", *, endings: Sequence[str] = AB) -> Make:
    """peft's bias of ``lora_B``, which is scaled like the product."""

    def make(model: Model) -> LoraFileMade:
        random, made = Random(16), LoraFileMade()
        for name, length in model.vectors.items():
            if not name.endswith(".bias"):
                continue
            module = name.removesuffix(".bias")
            numbers, delta = lora(endings, alpha)(model.linears[module], random)
            numbers[ending] = random(length)
            made.tensors |= {f"transformer.{module}.{end}": each for end, each in numbers.items()}
            made.effect[f"{module}.weight"] = delta
            made.effect[name] = numbers[ending].double() * (1.0 if alpha is None else alpha / RANK)
        return made

    return make


def new_biases(model: Model) -> LoraFileMade:
    """Biases of layers that have none in the model, beside a pair and on fused query, key and value."""
    random, made = Random(17), LoraFileMade()
    out, into = model.linears["layers.0.feed_forward.w2"]
    numbers, delta = lora(AB, 2.0)((out, into), random)
    numbers["lora_B.bias"] = random(out)
    made.tensors |= {f"transformer.layers.0.feed_forward.w2.{end}": own for end, own in numbers.items()}
    made.effect["layers.0.feed_forward.w2.weight"] = delta
    made.effect["layers.0.feed_forward.w2.bias"] = numbers["lora_B.bias"].double() * (2.0 / RANK)
    modules = [f"layers.0.{part}" for part in QKV]
    rows = [model.linears[module][0] for module in modules]
    bias = random(sum(rows))
    made.tensors["diffusion_model.layers.0.attention.qkv.diff_b"] = bias
    for module, own in zip(modules, torch.split(bias, rows), strict=True):
        made.effect[f"{module}.bias"] = own.double()
    return made


def together(model: Model) -> LoraFileMade:
    """As ComfyUI extracts the difference of two models: pairs, biases and norms in one file."""
    ours = [("layers.0.attention_norm1", "layers.0.attention_norm1")]
    return merged(
        plain("diffusion_model.", DOWN_UP, alpha=2.0)(model),
        biases("diff_b")(model),
        norms("diff", ours)(model),
    )


def by_peft(kind: Kind, config: dict[str, object], scale: float, prefix: str = "transformer.") -> Make:
    """As peft writes LoHa and LoKr: no alpha, the scale in the metadata."""

    def make(model: Model) -> LoraFileMade:
        made = on_linears(kind, prefix)(model)
        made.effect = {name: delta * scale for name, delta in made.effect.items()}
        entries = {f"transformer.{key}": value for key, value in config.items()}
        made.metadata = {"lora_adapter_metadata": json.dumps(entries)}
        return made

    return make


def dora_of_peft(model: Model) -> LoraFileMade:
    """As diffusers saves DoRA: the scale in the metadata, and it changes the norms."""
    random, made = Random(18), LoraFileMade()
    for module in some_linears(model):
        weight = model.weights[f"{module}.weight"]
        down, up = random(RANK, weight.shape[1]), random(len(weight), RANK)
        norms = weight.norm(dim=1) * 1.1
        made.tensors |= {
            f"transformer.{module}.lora_A.weight": down,
            f"transformer.{module}.lora_B.weight": up,
            f"transformer.{module}.lora_magnitude_vector": norms,
        }
        made.effect[f"{module}.weight"] = dora(weight, low_rank(up, down, 0.5), norms)
    entries = {"transformer.r": RANK, "transformer.lora_alpha": 2, "transformer.use_dora": True}
    made.metadata = {"lora_adapter_metadata": json.dumps(entries)}
    return made


QK_NORMS = [("layers.0.attention.norm_q", "layers.0.attention.norm_q")]
COMFY_NORMS = [
    ("layers.1.attention.q_norm", "layers.1.attention.norm_q"),
    ("layers.1.attention.k_norm", "layers.1.attention.norm_k"),
    ("cap_embedder.0", "cap_embedder.0"),
]
BLOCK_NORMS = [
    (f"noise_refiner.0.{name}", f"noise_refiner.0.{name}")
    for name in ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2")
]


def files() -> Iterator[tuple[str, Make]]:
    """Every file, as layout and its maker."""
    for prefix in ("diffusion_model.", "lycoris_", "lora_unet_", "transformer."):
        yield f"LoKr of whole factors, {prefix}", on_linears(lokr(alpha=1e10), prefix)
    yield "LoKr, right factored", on_linears(lokr(right=3, alpha=1.5))
    yield "LoKr, left factored", on_linears(lokr(left=2, alpha=1.5))
    yield "LoKr, both factored", on_linears(lokr(left=2, right=2, alpha=1.0))
    yield "LoKr without alpha", on_linears(lokr(right=3))
    yield "LoKr of a large rank", on_linears(lokr(right=40, alpha=20.0))
    yield "LoKr as convolution", on_linears(lokr(alpha=1.0, tail=(1, 1)))
    yield "LoKr on qkv, rows end with a factor's", on_qkv(lokr(side=6, alpha=1e10))
    yield "LoKr on qkv, rows end within a factor's", on_qkv(lokr(side=4, alpha=1e10))
    yield "LoKr on qkv, right factored", on_qkv(lokr(side=4, right=3, alpha=2.0))
    config: dict[str, object] = {"peft_type": "LOKR", "r": 8, "alpha": 4}
    yield "LoKr of peft", by_peft(lokr(), config, 0.5)
    yield "LoHa", on_linears(loha(3, 1.0))
    yield "LoHa without alpha", on_linears(loha(3), "diffusion_model.")
    yield "LoHa of a large rank", on_linears(loha(40, 10.0), "lora_unet_")
    yield "LoHa as convolution", on_linears(loha(2, 1.0, tail=(1, 1)))
    yield "LoHa on qkv", on_qkv(loha(3, 1.0))
    yield "LoHa of peft", by_peft(loha(4), {"peft_type": "LOHA", "r": 4, "alpha": 2}, 0.5)
    for name in (
        "lora_magnitude_vector",
        "lora_magnitude_vector.weight",
        "lora_magnitude_vector.my-face.weight",
    ):
        yield f"DoRA, {name}", on_linears(lora(AB, None), "base_model.model.", name)
    yield "DoRA, dora_scale", on_linears(lora(), "lora_unet_", "dora_scale", (1,))
    yield "DoRA, dora_scale as convolution", on_linears(lora(), "lora_unet_", "dora_scale", (1, 1, 1))
    yield "DoRA, magnitude", on_linears(lora(AB, None), "diffusion_model.", "magnitude")
    yield "DoRA with the scale in metadata", dora_of_peft
    yield "DoRA on qkv", on_qkv(lora(), "lora_unet_", "dora_scale")
    yield "DoRA of LoKr", on_linears(lokr(alpha=1.0), "lycoris_", "dora_scale", (1,))
    yield "DoRA of LoHa", on_linears(loha(3, 1.0), "lycoris_", "dora_scale", (1,))
    yield "diff", on_linears(diff, "diffusion_model.")
    yield "diff on qkv", on_qkv(diff, "diffusion_model.")
    yield "diff_b", biases("diff_b")
    yield "b_norm of kohya's path", biases("b_norm", "lora_unet_")
    yield "norms, diff", norms("diff", QK_NORMS)
    yield "norms, w_norm", norms("w_norm", BLOCK_NORMS, "lycoris_")
    yield "norms by ComfyUI's names", norms("diff", COMFY_NORMS)
    yield "pairs, biases and norms", together
    yield "lora_B.bias", up_biases(None)
    yield "lora_B.bias with alpha", up_biases(2.0)
    yield "biases of layers without one", new_biases
    adapter = ("lora_A.default.weight", "lora_B.default.weight")
    yield "lora_B.default.bias", up_biases(None, "lora_B.default.bias", endings=adapter)
