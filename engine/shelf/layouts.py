"""Parses the names that trainers give a LoRA's tensors.

A name is a prefix, the path of a module, and what the tensor is to it. Known are the layouts of diffusers,
peft, ai-toolkit, ComfyUI, kohya, LyCORIS and DiffSynth; other names are not guessed. Pure: text in, text out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What a tensor is to its module.

    DOWN, UP          LoRA: the matrices [rank, in], ``lora_A`` or ``lora_down``, and [out, rank]
    HADA_…            LoHa: two such pairs, whose products are multiplied number by number
    LOKR_…            LoKr: the factors of a Kronecker product, each as it is or as a pair of matrices
    DIFF              the difference of a weight itself
    ALPHA             a number; the product is scaled by alpha / rank
    MAGNITUDE         DoRA: the norms of the weight's rows
    UP_BIAS           peft's bias of ``lora_B``; scaled as the product
    DIFF_BIAS         the difference of a bias
    """

    DOWN = "down"
    UP = "up"
    HADA_LEFT_UP = "hada_w1_a"
    HADA_LEFT_DOWN = "hada_w1_b"
    HADA_RIGHT_UP = "hada_w2_a"
    HADA_RIGHT_DOWN = "hada_w2_b"
    LOKR_LEFT = "lokr_w1"
    LOKR_LEFT_UP = "lokr_w1_a"
    LOKR_LEFT_DOWN = "lokr_w1_b"
    LOKR_RIGHT = "lokr_w2"
    LOKR_RIGHT_UP = "lokr_w2_a"
    LOKR_RIGHT_DOWN = "lokr_w2_b"
    DIFF = "diff"
    ALPHA = "alpha"
    MAGNITUDE = "magnitude"
    UP_BIAS = "up_bias"
    DIFF_BIAS = "diff_bias"


@dataclass(frozen=True, slots=True)
class TensorName:
    """A tensor's parsed name. ``path`` is the module as the file calls it, without prefixes."""

    path: str
    part: Part


MAX_NAME = 512  # characters; the longest of a known trainer has some 100
# Removed from the front again and again, because one may follow another; a longer one before its beginning.
PREFIXES = (
    *("base_model.model.", "model.diffusion_model.", "diffusion_model.", "pipe.dit.", "transformer."),
    *("lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_"),
)
# Text encoders, as kohya ("lora_te1_"), diffusers, ComfyUI and peft call them.
_TEXT_ENCODER = re.compile(r"(base_model\.model\.)?(lora_te\d*_|text_encoders?[._\d]|te\d?\.|text_model\.)")
# peft writes the adapter's name, any text, behind the part: "lora_A.my-face.v1.weight".
_OF_PEFT = re.compile(
    r"(?P<path>.+?)\.(?P<part>lora_A|lora_B|lora_magnitude_vector|(?:lokr|hada)_w[12](?:_[ab])?)"
    r"(?P<adapter>\..+?)??(?P<leaf>\.weight|\.bias)?"
)
_OTHERS = re.compile(
    r"(?P<path>.+?)(?:\.(?P<part>alpha|dora_scale|magnitude|diff|diff_b|w_norm|b_norm)"
    r"|(?:\.lora_|[._]lora\.|\.lora_linear_layer\.)(?P<pair>down|up)(?:\.weight)?)"
)
_PARTS = {
    **{part.value: part for part in Part if part.value.startswith(("hada_", "lokr_"))},
    **{"lora_A": Part.DOWN, "lora_B": Part.UP, "down": Part.DOWN, "up": Part.UP, "alpha": Part.ALPHA},
    **dict.fromkeys(("lora_magnitude_vector", "dora_scale", "magnitude"), Part.MAGNITUDE),
    **{"diff": Part.DIFF, "w_norm": Part.DIFF, "diff_b": Part.DIFF_BIAS, "b_norm": Part.DIFF_BIAS},
}


def is_of_text_encoder(name: str) -> bool:
    """Whether a tensor belongs to a text encoder."""
    return _TEXT_ENCODER.match(name) is not None


def parse_tensor_name(name: str) -> TensorName | None:
    """Parse the name of one tensor; return None if no known layout has it."""
    if len(name) > MAX_NAME:
        return None
    if match := _OF_PEFT.fullmatch(name):
        part = _PARTS[match["part"]]
        if match["leaf"] == ".bias":
            return TensorName(_module_path(match["path"]), Part.UP_BIAS) if part is Part.UP else None
        return TensorName(_module_path(match["path"]), part)
    if match := _OTHERS.fullmatch(name):
        return TensorName(_module_path(match["path"]), _PARTS[match["part"] or match["pair"]])
    return None


def describe_layout(names: Iterable[str]) -> tuple[str, ...]:
    """Return how tensors are named around modules, as ``transformer.….lora_A.weight``; frequent first."""
    shapes: Counter[str] = Counter()
    for name in names:
        if (parsed := parse_tensor_name(name)) is not None:
            prefix, found, part = name.partition(parsed.path)
            shapes[f"{prefix}…{part}" if found else f"…{parsed.part}"] += 1
    return tuple(shape for shape, _ in shapes.most_common())


def _module_path(path: str) -> str:
    """Remove prefixes, and ``processor`` of old files of diffusers."""
    while prefix := next(filter(path.startswith, PREFIXES), ""):
        path = path.removeprefix(prefix)
    return path.replace(".processor.", ".")


def module_names(modules: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return every name that trainers use for the model's modules.

    Args:
        modules: The paths of the model's linear layers and norms, as diffusers calls them.

    Returns:
        Known name → its modules: one, or several if they are one matrix: query, key and value, or both
        matrices of a feed-forward's gate. Kohya writes every path with underscores, so each name is also
        listed in that form.
    """
    known: dict[str, tuple[str, ...]] = {}
    present = set(modules)
    for module in present:
        known[module] = (module,)
        block, _, part = module.rpartition(".attention.")
        if part == "to_q":
            fused = tuple(f"{block}.attention.to_{each}" for each in "qkv")
            known |= {f"{block}.attention.{name}": fused for name in ("qkv", "to_qkv")}
        elif part == "to_out.0":
            known |= {f"{block}.attention.{name}": (module,) for name in ("out", "to_out")}
        elif part in ("norm_q", "norm_k"):
            known[f"{block}.attention.{part[-1]}_norm"] = (module,)
        elif module.endswith(".feed_forward.w1"):
            known[f"{module}3"] = (module, f"{module.removesuffix('1')}3")
        elif module.startswith(("all_x_embedder.", "all_final_layer.")):
            # Other programs know one patch size only: all_final_layer.2-1.linear is their final_layer.linear.
            part, _, rest = module.removeprefix("all_").partition(".")
            inner = rest.partition(".")[2]
            known[f"{part}.{inner}" if inner else part] = (module,)
    known |= {name.replace(".", "_"): targets for name, targets in known.items()}
    return {name: targets for name, targets in known.items() if present.issuperset(targets)}
