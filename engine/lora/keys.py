"""The names that trainers give a LoRA's tensors, read into one form.

Pure: text in, text out. A key is a prefix, the path of a module, and which of the two matrices it is. Known
are the layouts of diffusers and peft, ai-toolkit, ComfyUI and kohya; what is not known is not guessed.
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
class Key:
    """A tensor's name, understood. ``path`` is the module as the file calls it, without prefixes."""

    path: str
    part: Part


PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "lora_unet_")

# "lora_A.default.weight" carries the adapter's name as peft keeps it in memory.
_ENDINGS = (
    (re.compile(r"\.(lora_A(\.\w+)?|lora_down|lora\.down)\.weight$"), Part.DOWN),
    (re.compile(r"\.(lora_B(\.\w+)?|lora_up|lora\.up)\.weight$"), Part.UP),
    (re.compile(r"\.alpha$"), Part.ALPHA),
)


def read_key(name: str) -> Key | None:
    """Understand one tensor's name; None for what is not a plain LoRA's."""
    for pattern, part in _ENDINGS:
        path, replaced = pattern.subn("", name)
        if replaced:
            return Key(_without_prefix(path), part)
    return None


def _without_prefix(path: str) -> str:
    for prefix in PREFIXES:  # in this order they also stand one inside the other
        path = path.removeprefix(prefix)
    return path


def module_names(modules: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Every name under which trainers know the model's modules.

    Args:
        modules: The paths of the model's linear layers, as diffusers calls them.

    Returns:
        Known name → the modules it stands for: one, or three where query, key and value are one matrix. Kohya
        writes every path with underscores, so each name stands here in that form, too.
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
