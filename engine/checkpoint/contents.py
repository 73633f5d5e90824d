"""Checks what a Z-Image checkpoint folder contains, and reads the headers of its files.

``missing_parts`` names everything that is missing or broken, so that a host can correct it in one step.
Weights must be safetensors: a pickle does not count. The transformer may also be a published single file,
which is converted before it is loaded.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from engine.checkpoint.header import BadHeader, Tensor, read_header
from engine.checkpoint.published.file import PublishedFile, find_published

_CLASSES = {  # part → how its class in model_index.json begins
    "transformer": "ZImageTransformer2DModel",
    "vae": "AutoencoderKL",
    "text_encoder": "Qwen3",  # Qwen3Model, or Qwen3ForCausalLM whose head is not used
    "tokenizer": "",  # any class: the files decide
    "scheduler": "FlowMatchEulerDiscreteScheduler",
}
STEMS = {  # part → how its weights' file names begin
    "transformer": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}

SAMPLES, SAMPLE_BYTES = 32, 4096  # of each file, for its fingerprint


def missing_parts(folder: Path) -> list[str]:
    """Return every part that a Z-Image pipeline needs and this folder lacks."""
    return [
        *_missing_classes(folder),
        *(flaw for part in STEMS for flaw in _missing_weights(folder, part)),
        *_missing_scheduler(folder / "scheduler"),
        *_missing_tokenizer(folder / "tokenizer"),
    ]


def time_shift(folder: Path) -> float | None:
    """Return the time shift of the checkpoint's schedule; None if its configuration has none."""
    config = _json(folder / "scheduler" / "scheduler_config.json")
    shift = config.get("shift") if config else None
    return float(shift) if isinstance(shift, int | float) else None


def linear_shapes(folder: Path) -> dict[str, tuple[int, int]]:
    """Read the (out, in) features of every linear of the transformer, as its own files name them.

    Raises:
        BadHeader: A weights file was damaged after the folder was checked.
        OSError: It is missing.
    """
    return {
        name.removesuffix(".weight"): (tensor.shape[0], tensor.shape[1])
        for name, tensor in _transformer_tensors(folder).items()
        if name.endswith(".weight") and len(tensor.shape) == 2
    }


def vector_lengths(folder: Path) -> dict[str, int]:
    """Read how many numbers each norm and each bias of the transformer has; raises as ``linear_shapes``."""
    tensors = _transformer_tensors(folder)
    return {name: tensor.shape[0] for name, tensor in tensors.items() if len(tensor.shape) == 1}


def _transformer_tensors(folder: Path) -> dict[str, Tensor]:
    published = published_transformer(folder)
    if published:
        return dict(published.tensors)
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder, "transformer"):
        tensors |= header_of(path)
    return tensors


def weight_files(folder: Path, part: str) -> list[Path]:
    """Return the files of a part's weights; empty if the index that lists them is broken."""
    if part == "transformer" and (published := find_published(folder / part, STEMS[part])):
        return [published]
    names, _ = _weight_files(folder / part, STEMS[part])
    return [folder / part / name for name in names]


def weights_fingerprint(folder: Path) -> str:
    """Return a hash that distinguishes the weights of one checkpoint from others, whatever its name.

    It reads a few hundred kilobytes: sizes, and pieces of every file, the beginning with the header among
    them. Training changes nearly every number, so that some piece differs. A copy has the same hash.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for part in STEMS:
        for path in weight_files(folder, part):
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                digest.update(f"{part} {path.name} {size}\n".encode())
                for number in range(SAMPLES):
                    file.seek(number * max(0, size - SAMPLE_BYTES) // (SAMPLES - 1))
                    digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def published_transformer(folder: Path) -> PublishedFile | None:
    """Return the published file that holds a model's transformer; None if it is in the library's files.

    Raises:
        OSError: It cannot be read.
    """
    path = find_published(folder / "transformer", STEMS["transformer"])
    return PublishedFile(path, _json(folder / "transformer" / "config.json") or {}) if path else None


def header_of(path: Path) -> dict[str, Tensor]:
    """Read a file's header.

    Raises:
        BadHeader: It is not an intact safetensors file.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return read_header(file)


def _missing_classes(folder: Path) -> list[str]:
    index = _json(folder / "model_index.json")
    if index is None:
        return ["model_index.json"]
    if index.get("_class_name") != "ZImagePipeline":
        return [f"model_index.json (a ZImagePipeline, not {str(index.get('_class_name'))[:40]})"]
    found = {part: entry[-1] for part, entry in index.items() if isinstance(entry, list) and entry}
    return [
        f"model_index.json ({part}: {kind or 'its class'})"
        for part, kind in _CLASSES.items()
        if not found.get(part) or not str(found[part]).startswith(kind)
    ]


def _missing_weights(folder: Path, part: str) -> list[str]:
    missing = [] if _json(folder / part / "config.json") is not None else [f"{part}/config.json"]
    if part == "transformer" and (published := find_published(folder / part, STEMS[part])):
        return missing or _published_flaws(folder, published.name)
    names, flaws = _weight_files(folder / part, STEMS[part])
    missing += [f"{part}/{flaw}" for flaw in flaws]
    for name in names:
        try:
            header_of(folder / part / name)
        except OSError:
            missing.append(f"{part}/{name}")
        except BadHeader as error:
            missing.append(f"{part}/{name} ({error})")
    return missing


def _published_flaws(folder: Path, name: str) -> list[str]:
    try:
        published = published_transformer(folder)
    except OSError:
        return [f"transformer/{name}"]
    return [f"transformer/{name} ({flaw})" for flaw in (published.flaws if published else ())]


def _missing_scheduler(folder: Path) -> list[str]:
    return [] if _json(folder / "scheduler_config.json") is not None else ["scheduler/scheduler_config.json"]


def _missing_tokenizer(folder: Path) -> list[str]:
    config = _json(folder / "tokenizer_config.json")
    if config is None:
        return ["tokenizer/tokenizer_config.json"]
    missing = []
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        missing.append("tokenizer/tokenizer.json")
    if "chat_template" not in config and not (folder / "chat_template.jinja").is_file():
        missing.append("tokenizer/chat_template.jinja")
    return missing


def _weight_files(folder: Path, stem: str) -> tuple[list[str], list[str]]:
    """Return the names of a part's weight files, and the flaws of the index that lists them."""
    index_name = f"{stem}.safetensors.index.json"
    if not (folder / index_name).is_file():
        return [f"{stem}.safetensors"], []
    index = _json(folder / index_name)
    weight_map = index.get("weight_map") if index else None
    if not isinstance(weight_map, dict) or not weight_map:
        return [], [f"{index_name} (a weight_map)"]
    names = sorted({str(name) for name in weight_map.values()})
    if any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
        return [], [f"{index_name} (it leads outside the folder)"]
    return names, []


def _json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if the file is missing or is something else."""
    try:
        value = from_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
