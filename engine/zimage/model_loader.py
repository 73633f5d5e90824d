"""A checkpoint folder → the parts of a pipeline on their device, in its number format.

Reads only local safetensors files; downloads nothing and unpickles nothing. It builds the modules on the
meta device from their configurations and assigns them the tensors that ``weight_reader`` put on the device.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic_core import from_json
from safetensors import SafetensorError
from torch import Tensor

from engine.checkpoint.header import BadHeader
from engine.config import WeightLocation
from engine.errors import ModelIncomplete
from engine.zimage.device import Placement
from engine.zimage.forward.modules import TransformerConfig, TransformerModules
from engine.zimage.out_of_memory import report_model_too_large
from engine.zimage.residency.lanes import lanes_of
from engine.zimage.residency.layout import block_shapes, check_encoder_layouts
from engine.zimage.residency.sources import BlockSource
from engine.zimage.schedule import ScheduleConfig
from engine.zimage.text.encoder import (
    EMBEDDING,
    EncoderConfig,
    LayerWeights,
    TextEncoder,
    fused_layers,
    layer_norms,
)
from engine.zimage.text.streaming import StreamedLayers
from engine.zimage.text.tokenizer import PromptTokenizer, load_tokenizer
from engine.zimage.vae.loader import Vae, load_vae
from engine.zimage.weight_reader import PartWeights, WeightReader, reader_for

# What the libraries raise for an unexpected folder. They have no error class for it.
_UNLOADABLE = (
    BadHeader,
    OSError,
    SafetensorError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
)
_ENCODERS = ("Qwen3Model", "Qwen3ForCausalLM")  # the second has a head, which is not used


@dataclass(frozen=True, slots=True, eq=False)
class PipelineParts:
    """The components of a checkpoint, ready to draw.

    Attributes:
        blocks: The transformer's blocks if they are not on the card; its own modules have no weights then.
    """

    transformer: TransformerModules
    text_encoder: TextEncoder
    vae: Vae
    tokenizer: PromptTokenizer
    schedule: ScheduleConfig
    blocks: BlockSource | None = None


def load_pipeline(
    folder: Path,
    placement: Placement,
    base: WeightLocation = WeightLocation.CARD,
    encoder: WeightLocation = WeightLocation.CARD,
    rounds_encoder: bool = False,
) -> PipelineParts:
    """Load every part of a checkpoint onto the device.

    Args:
        folder: The checkpoint.
        placement: The device and its number format.
        base: Where the transformer's blocks go.
        encoder: Where the text encoder's layers go.
        rounds_encoder: Whether the text encoder's matrices are rounded to eight bits.

    Returns:
        Parts for inference, without gradients. All values equal those of ``ZImagePipeline.from_pretrained``.
        The encoder has no last layer, because its output is not used.

    Raises:
        ModelIncomplete: Parts are missing, damaged or of other classes. Facts: ``folder``, ``detail``.
        ModelTooLarge: The device has too little free memory now. Facts: ``device``, ``detail``.
    """
    try:
        with report_model_too_large(placement):
            weights = reader_for(folder, placement, base, encoder, rounds_encoder)
            parts = _load(folder, placement, weights, rounds_encoder=rounds_encoder)
    except _UNLOADABLE as error:
        detail = f"{type(error).__name__}: {error}"
        raise ModelIncomplete(
            f"{folder} cannot be loaded. {detail}", folder=str(folder), detail=detail
        ) from error
    return parts


def weights_bytes(parts: PipelineParts) -> int:
    """Return the device's memory of all weights, without blocks that are elsewhere."""
    transformer = sum(parameter.nbytes for parameter in parts.transformer.parameters())
    return parts.text_encoder.nbytes + transformer + parts.vae.nbytes


def _load(
    folder: Path, placement: Placement, weights: WeightReader, *, rounds_encoder: bool
) -> PipelineParts:
    classes = {name: entry[-1] for name, entry in _json(folder / "model_index.json").items() if entry}
    with torch.device("meta"):
        config = TransformerConfig.model_validate(_json(folder / "transformer" / "config.json"))
        transformer = TransformerModules(config)
    with ThreadPoolExecutor(1, "tokenizer") as beside:
        tokenizer = beside.submit(load_tokenizer, folder, classes["tokenizer"])  # 0.4 s, beside the weights
        # In the order of reading: the small parts test their kernels while the large one is read.
        encoder = _text_encoder(
            folder / "text_encoder",
            classes["text_encoder"],
            weights.wait_for("text_encoder"),
            placement,
            is_rounded=rounds_encoder,
        )
        vae = load_vae(
            _json(folder / "vae" / "config.json"), weights.wait_for("vae").tensors, placement.device
        )
        body = weights.wait_for("transformer")
        return PipelineParts(
            transformer=_filled(transformer, body.tensors, placement, body.blocks),
            text_encoder=encoder,
            vae=vae,
            tokenizer=tokenizer.result(),
            schedule=ScheduleConfig.model_validate(_json(folder / "scheduler" / "scheduler_config.json")),
            blocks=body.blocks,
        )


def _text_encoder(
    folder: Path, class_name: str, part: PartWeights, placement: Placement, *, is_rounded: bool
) -> TextEncoder:
    if class_name not in _ENCODERS:
        raise ValueError(f"the text encoder is a {class_name}")
    config = EncoderConfig.model_validate_json((folder / "config.json").read_bytes())
    tensors = {name.removeprefix("model."): tensor for name, tensor in part.tensors.items()}
    layers: list[LayerWeights] | StreamedLayers
    if part.blocks is None:
        scaled = {name.removeprefix("model."): matrix for name, matrix in part.scaled.items()}
        layers = fused_layers(tensors, config, scaled)
    else:
        check_encoder_layouts(part.blocks.layouts)
        layers = StreamedLayers(
            part.blocks,
            layer_norms(tensors, config),
            placement.device,
            lanes_of(placement.device),
            scaled=part.scaled,
            is_rounded=is_rounded,
        )
    encoder = TextEncoder(config, tensors[EMBEDDING], layers, placement.device)
    encoder.speed_up()
    return encoder


def _filled(
    module: TransformerModules,
    tensors: Mapping[str, Tensor],
    placement: Placement,
    blocks: BlockSource | None = None,
) -> TransformerModules:
    """Assign a module its weights, except those of blocks. Ignores additional tensors, as the library does.

    Raises:
        LookupError: Weights are missing.
        RuntimeError: Weights have other shapes.
    """
    elsewhere = block_shapes(blocks.layouts) if blocks else {}
    absent = set(module.load_state_dict(tensors, strict=False, assign=True).missing_keys)
    shapes = {name: tuple(module.get_parameter(name).shape) for name in absent & elsewhere.keys()}
    if wrong := [name for name, shape in shapes.items() if shape != elsewhere[name]]:
        raise RuntimeError(f"the transformer has another shape for {wrong[0]}")
    if missing := sorted(absent - elsewhere.keys()):
        raise LookupError(f"the transformer lacks {len(missing)} tensors, among them {missing[0]}")
    # The weights are already on the device. This moves the tables and raises for a tensor without data.
    for name in elsewhere:
        parent, _, own = name.rpartition(".")
        module.get_submodule(parent).register_parameter(own, None)
    return module.to(placement.device).requires_grad_(False).eval()


def _json(path: Path) -> dict[str, Any]:
    value = from_json(path.read_bytes())
    if not isinstance(value, dict):
        raise TypeError(f"{path.name} is not a JSON object")
    return value
