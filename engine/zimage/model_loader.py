"""A checkpoint folder → the parts of a pipeline on their device, in its number format.

Reads only local safetensors files; downloads nothing and unpickles nothing. It builds the modules on the
meta device from their configurations and assigns them the tensors that ``weight_reader`` put on the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from pydantic_core import from_json
from safetensors import SafetensorError
from torch import Tensor, nn

from engine.checkpoint.header import BadHeader
from engine.config import BaseLocation
from engine.errors import ModelIncomplete
from engine.zimage.device import Placement
from engine.zimage.forward.fuse import require_supported
from engine.zimage.library_output import silence_libraries
from engine.zimage.out_of_memory import report_model_too_large
from engine.zimage.residency.layout import block_shapes
from engine.zimage.residency.sources import BlockSource
from engine.zimage.text.encoder import EncoderConfig, TextEncoder, fused_layers
from engine.zimage.text.tokenizer import PromptTokenizer, load_tokenizer
from engine.zimage.weight_reader import WeightReader, reader_for

# What the libraries raise for an unexpected folder. They have no error class for it.
_UNLOADABLE = (
    BadHeader,
    OSError,
    SafetensorError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
)
_ENCODERS = ("Qwen3Model", "Qwen3ForCausalLM")  # the second has a head, which is not used
_EMBEDDING = "embed_tokens.weight"


@dataclass(frozen=True, slots=True, eq=False)
class PipelineParts:
    """The components of a checkpoint, ready to draw. diffusers has no types for its own.

    Attributes:
        blocks: The transformer's blocks if they are not on the card; its own modules have no weights then.
    """

    transformer: Any
    text_encoder: TextEncoder
    vae: Any
    tokenizer: PromptTokenizer
    scheduler: Any
    blocks: BlockSource | None = None


def load_pipeline(
    folder: Path, placement: Placement, base: BaseLocation = BaseLocation.CARD
) -> PipelineParts:
    """Load every part of a checkpoint onto the device.

    Args:
        folder: The checkpoint.
        placement: The device and its number format.
        base: Where the transformer's blocks go.

    Returns:
        Parts for inference, without gradients. All values equal those of ``ZImagePipeline.from_pretrained``.
        The encoder has no last layer, because its output is not used.

    Raises:
        ModelIncomplete: Parts are missing, damaged or of other classes. Facts: ``folder``, ``detail``.
        ModelTooLarge: The device has too little free memory now. Facts: ``device``, ``detail``.
    """
    silence_libraries()
    try:
        with report_model_too_large(placement):
            parts = _load(folder, placement, reader_for(folder, placement, base))
            require_supported(parts.transformer)
    except _UNLOADABLE as error:
        detail = f"{type(error).__name__}: {error}"
        raise ModelIncomplete(
            f"{folder} cannot be loaded. {detail}", folder=str(folder), detail=detail
        ) from error
    return parts


def weights_bytes(parts: PipelineParts) -> int:
    """Return the device's memory of all weights, without blocks that are elsewhere."""
    modules = (parts.transformer, parts.vae)
    tensors = (each for module in modules for each in (*module.parameters(), *module.buffers()))
    return parts.text_encoder.nbytes + sum(int(tensor.nbytes) for tensor in tensors)


def _load(folder: Path, placement: Placement, weights: WeightReader) -> PipelineParts:
    classes = {name: entry[-1] for name, entry in _json(folder / "model_index.json").items() if entry}
    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(_json(folder / "transformer" / "config.json"))
        vae = AutoencoderKL.from_config(_json(folder / "vae" / "config.json"))
    body = weights.wait_for("transformer")
    return PipelineParts(
        tokenizer=load_tokenizer(folder, classes["tokenizer"]),
        scheduler=FlowMatchEulerDiscreteScheduler.from_config(
            _json(folder / "scheduler" / "scheduler_config.json")
        ),
        transformer=_filled(transformer, body.tensors, placement, body.blocks),
        vae=_filled(vae, weights.wait_for("vae").tensors, placement),
        text_encoder=_text_encoder(folder / "text_encoder", classes["text_encoder"], weights, placement),
        blocks=body.blocks,
    )


def _text_encoder(folder: Path, class_name: str, weights: WeightReader, placement: Placement) -> TextEncoder:
    if class_name not in _ENCODERS:
        raise ValueError(f"the text encoder is a {class_name}")
    config = EncoderConfig.model_validate_json((folder / "config.json").read_bytes())
    tensors = dict(weights.wait_for("text_encoder").tensors)
    layers = fused_layers(tensors, config)
    embedding = tensors.pop(_EMBEDDING) if _EMBEDDING in tensors else tensors[f"model.{_EMBEDDING}"]
    return TextEncoder(config, embedding, layers, placement.device)


def _filled(
    module: Any, tensors: Mapping[str, Tensor], placement: Placement, blocks: BlockSource | None = None
) -> nn.Module:
    """Assign a module its weights, except those of blocks. Ignores additional tensors, as the library does.

    Raises:
        LookupError: Weights are missing.
        RuntimeError: Weights have other shapes.
    """
    elsewhere = block_shapes(blocks.layouts) if blocks else {}
    absent = set(module.load_state_dict(tensors, strict=False, assign=True).missing_keys)
    shapes = {name: tuple(module.get_parameter(name).shape) for name in absent & elsewhere.keys()}
    if wrong := [name for name, shape in shapes.items() if shape != elsewhere[name]]:
        raise RuntimeError(f"{type(module).__name__} has another shape for {wrong[0]}")
    if missing := sorted(absent - elsewhere.keys()):
        raise LookupError(f"{type(module).__name__} lacks {len(missing)} tensors, among them {missing[0]}")
    # The weights are already on the device. This moves the tables and raises for a tensor without data.
    for name in elsewhere:
        parent, _, own = name.rpartition(".")
        module.get_submodule(parent).register_parameter(own, None)
    filled: nn.Module = module.to(placement.device).requires_grad_(False).eval()
    return filled


def _json(path: Path) -> dict[str, Any]:
    value = from_json(path.read_bytes())
    if not isinstance(value, dict):
        raise TypeError(f"{path.name} is not a JSON object")
    return value
