"""Parses the names that trainers give a LoRA's tensors.

A name is a prefix, the path of a module, and which of the two matrices the tensor is. Known are the layouts
of diffusers, peft, ai-toolkit, ComfyUI and kohya; other names are not guessed. Pure: text in, text out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What a tensor is to its module.

    DOWN   the matrix [rank, in], ``lora_A`` or ``lora_down``
    UP     the matrix [out, rank], ``lora_B`` or ``lora_up``
    ALPHA  a number; the product is scaled by alpha / rank
    """

    DOWN = "down"
    UP = "up"
    ALPHA = "alpha"


@dataclass(frozen=True, slots=True)
class TensorName:
    """A tensor's parsed name. ``path`` is the module as the file calls it, without prefixes."""

    path: str
    part: Part


PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "lora_unet_")

# "lora_A.default.weight" carries the adapter's name as peft keeps it in memory.
_ENDINGS = (
    (re.compile(r"\.(lora_A(\.\w+)?|lora_down|lora\.down)\.weight$"), Part.DOWN),
    (re.compile(r"\.(lora_B(\.\w+)?|lora_up|lora\.up)\.weight$"), Part.UP),
    (re.compile(r"\.alpha$"), Part.ALPHA),
)


def parse_tensor_name(name: str) -> TensorName | None:
    """Parse the name of one tensor; None if it does not belong to a plain LoRA."""
    for pattern, part in _ENDINGS:
        path, replaced = pattern.subn("", name)
        if replaced:
            return TensorName(_without_prefix(path), part)
    return None


def _without_prefix(path: str) -> str:
    for prefix in PREFIXES:  # in this order, because one may follow another
        path = path.removeprefix(prefix)
    return path


def module_names(modules: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return every name that trainers use for the model's modules.

    Args:
        modules: The paths of the model's linear layers, as diffusers calls them.

    Returns:
        Known name → its modules: one, or three if query, key and value are one matrix. Kohya writes every
        path with underscores, so each name is also listed in that form.
    """
    known: dict[str, tuple[str, ...]] = {}
    present = set(modules)
    for module in present:
        known[module] = (module,)
        if module.endswith(".attention.to_q"):
            block = module.removesuffix("to_q")
            known[f"{block}qkv"] = tuple(f"{block}to_{part}" for part in "qkv")
        elif module.endswith(".attention.to_out.0"):
            known[f"{module.removesuffix('to_out.0')}out"] = (module,)
        elif module.startswith(("all_x_embedder.", "all_final_layer.")):
            # Other programs know one patch size only: all_final_layer.2-1.linear is their final_layer.linear.
            part, _, rest = module.removeprefix("all_").partition(".")
            inner = rest.partition(".")[2]
            known[f"{part}.{inner}" if inner else part] = (module,)
    known |= {name.replace(".", "_"): targets for name, targets in known.items()}
    return {name: targets for name, targets in known.items() if present.issuperset(targets)}
