"""A checkpoint folder → the parts of a pipeline on their device, in its number format.

Reads only local safetensors files; downloads nothing and unpickles nothing. It builds the modules on the
meta device from their configurations and assigns them the tensors that ``weight_reader`` put on the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from pydantic_core import from_json
from safetensors import SafetensorError
from torch import Tensor, nn

from engine.checkpoint.header import BadHeader
from engine.errors import ModelIncomplete
from engine.zimage.device import Placement
from engine.zimage.forward.fuse import require_supported
from engine.zimage.library_output import silence_libraries
from engine.zimage.out_of_memory import report_model_too_large
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
_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")  # a chat template may refer to these
_BODY = "model."  # name prefix in a text encoder that was saved with its head


@dataclass(frozen=True, slots=True, eq=False)
class PipelineParts:
    """The components of a ``ZImagePipeline``, ready to draw. The libraries have no types for them."""

    transformer: Any
    text_encoder: Any
    vae: Any
    tokenizer: Any
    scheduler: Any


def load_pipeline(folder: Path, placement: Placement) -> PipelineParts:
    """Load every part of a checkpoint onto the device.

    Returns:
        Parts for inference, without gradients. All values equal those of ``ZImagePipeline.from_pretrained``.

    Raises:
        ModelIncomplete: Parts are missing, damaged or of other classes. Facts: ``folder``, ``detail``.
        ModelTooLarge: The device has too little free memory now. Facts: ``device``, ``detail``.
    """
    silence_libraries()
    try:
        with report_model_too_large(placement):
            parts = _load(folder, placement, reader_for(folder, placement))
            require_supported(parts.transformer)
    except _UNLOADABLE as error:
        detail = f"{type(error).__name__}: {error}"
        raise ModelIncomplete(
            f"{folder} cannot be loaded. {detail}", folder=str(folder), detail=detail
        ) from error
    return parts


def weights_bytes(parts: Any) -> int:
    """Return the memory of all parameters and buffers."""
    modules = (parts.text_encoder, parts.transformer, parts.vae)
    return sum(tensor.nbytes for module in modules for tensor in (*module.parameters(), *module.buffers()))


def _load(folder: Path, placement: Placement, weights: WeightReader) -> PipelineParts:
    classes = {name: entry[-1] for name, entry in _json(folder / "model_index.json").items() if entry}
    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(_json(folder / "transformer" / "config.json"))
        vae = AutoencoderKL.from_config(_json(folder / "vae" / "config.json"))
        encoder = _encoder(folder / "text_encoder", classes["text_encoder"])
    return PipelineParts(
        tokenizer=_tokenizer(folder / "tokenizer", classes["tokenizer"]),
        scheduler=FlowMatchEulerDiscreteScheduler.from_config(
            _json(folder / "scheduler" / "scheduler_config.json")
        ),
        transformer=_filled(transformer, weights.wait_for("transformer"), placement),
        vae=_filled(vae, weights.wait_for("vae"), placement),
        text_encoder=_filled_encoder(encoder, weights.wait_for("text_encoder"), placement),
    )


def _tokenizer(folder: Path, class_name: str) -> Any:
    """Load the tokenizer from ``tokenizer.json`` alone if that file is complete.

    The library's class takes that file apart and rebuilds it. The result is the same and takes three times as
    long: 1.5 s for Qwen's vocabulary.
    """
    config = _json(folder / "tokenizer_config.json")
    if (folder / "tokenizer.json").is_file() and not config.get("split_special_tokens"):
        tokenizer = _tokenizer_of_file(folder, config)
        added = {each["content"]: int(key) for key, each in config.get("added_tokens_decoder", {}).items()}
        if added.items() <= tokenizer.get_added_vocab().items():
            return tokenizer
    return getattr(transformers, class_name).from_pretrained(folder, local_files_only=True)


def _tokenizer_of_file(folder: Path, config: Mapping[str, Any]) -> Any:
    layout = folder / "chat_template.jinja"
    template = layout.read_text(encoding="utf-8") if layout.is_file() else config["chat_template"]
    names = {name: config[name] for name in _TOKENS if isinstance(config.get(name), str)}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), chat_template=template, **names
    )


def _encoder(folder: Path, class_name: str) -> Any:
    config = transformers.Qwen3Config.from_pretrained(folder, local_files_only=True)
    kind = {"Qwen3Model": transformers.Qwen3Model, "Qwen3ForCausalLM": transformers.Qwen3ForCausalLM}
    return kind[class_name](config)


def _filled_encoder(encoder: Any, tensors: Mapping[str, Tensor], placement: Placement) -> nn.Module:
    """Assign the encoder its weights, saved with or without a head, and build its rotary tables."""
    known = encoder.state_dict().keys()
    renamed = {_name_in(known, name): tensor for name, tensor in tensors.items()}
    if encoder.config.tie_word_embeddings and "lm_head.weight" in known:
        renamed["lm_head.weight"] = renamed[f"{_BODY}embed_tokens.weight"]
    body = encoder.base_model
    body.rotary_emb = type(body.rotary_emb)(config=encoder.config)
    filled = _filled(encoder, renamed, placement)
    encoder.tie_weights()
    return filled


def _name_in(known: Any, name: str) -> str:
    """Return the module's name for a weight of the file."""
    names = (name, f"{_BODY}{name}", name.removeprefix(_BODY))
    return next((each for each in names if each in known), name)


def _filled(module: Any, tensors: Mapping[str, Tensor], placement: Placement) -> nn.Module:
    """Assign a module its weights. Ignores additional tensors, as the library does.

    Raises:
        LookupError: Weights are missing.
        RuntimeError: Weights have other shapes.
    """
    missing = module.load_state_dict(tensors, strict=False, assign=True).missing_keys
    if missing:
        raise LookupError(f"{type(module).__name__} lacks {len(missing)} tensors, among them {missing[0]}")
    # The weights are already on the device. This moves the tables and raises for a tensor without data.
    filled: nn.Module = module.to(placement.device).requires_grad_(False).eval()
    return filled


def _json(path: Path) -> dict[str, Any]:
    value = from_json(path.read_bytes())
    if not isinstance(value, dict):
        raise TypeError(f"{path.name} is not a JSON object")
    return value
