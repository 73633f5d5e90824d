"""Writes a checkpoint of Z-Image-Turbo's real size with random weights, for machines that cannot download it.

``python -m engine.bench.random_checkpoint --into FOLDER`` writes 20.5 GB, all in bfloat16. With ``--fp32`` it
writes 32.8 GB: the transformer is in float32, as published. The checkpoint draws noise, but it starts, loads
and draws as fast as the real one. The weights are created on the card if there is one, one tensor at a time.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.bench.random_model import random_pipeline
from engine.bench.random_tokenizer import large_tokenizer
from engine.checkpoint.contents import STEMS, missing_parts
from engine.checkpoint.header import Tensor
from engine.checkpoint.shards import MAX_SHARD_BYTES, write_part

PUBLISHED_SHARD_BYTES = 10 * 10**9  # the float32 transformer has three files
PIECE_NUMBERS = 32 * 2**20  # 128 MiB of float32 at a time
PAD_SPREAD = 0.02


def write(into: Path, pipeline: Any, *, is_fp32: bool) -> None:
    """Write every part of a pipeline of random weights.

    Args:
        into: A folder that does not exist yet.
        pipeline: A ``ZImagePipeline``.
        is_fp32: Store the transformer as float32.
    """
    into.mkdir(parents=True)
    pipeline.save_config(into)
    pipeline.scheduler.save_config(into / "scheduler")
    pipeline.tokenizer.save_pretrained(into / "tokenizer")
    pipeline.transformer.save_config(into / "transformer")
    pipeline.vae.save_config(into / "vae")
    # The published text encoder is a Qwen3 with a head that shares the embedding; only its body is used.
    encoder = pipeline.text_encoder
    encoder.config.architectures, encoder.config.tie_word_embeddings = ["Qwen3ForCausalLM"], True
    encoder.config.dtype = "bfloat16"
    encoder.config.save_pretrained(into / "text_encoder")
    _fill_empty(pipeline.transformer)
    _write_weights(into, "transformer", pipeline.transformer, is_fp32=is_fp32)
    _write_weights(into, "text_encoder", encoder, prefix="model.")
    _write_weights(into, "vae", pipeline.vae)


def _fill_empty(transformer: nn.Module) -> None:
    """Initialise the parameters that the library leaves uninitialised."""
    for name, parameter in transformer.named_parameters():
        if name.endswith("pad_token"):
            nn.init.normal_(parameter, std=PAD_SPREAD)


def _write_weights(
    into: Path, part: str, module: nn.Module, *, is_fp32: bool = False, prefix: str = ""
) -> None:
    kind, dtype = ("F32", torch.float32) if is_fp32 else ("BF16", torch.bfloat16)
    weights = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    tensors = {name: Tensor(kind, tuple(weight.shape)) for name, weight in weights.items()}

    def pieces(name: str) -> Iterator[memoryview]:
        for piece in weights[name].flatten().split(PIECE_NUMBERS):
            yield memoryview(piece.to(dtype).cpu().view(torch.uint8).numpy())

    max_bytes = PUBLISHED_SHARD_BYTES if is_fp32 else MAX_SHARD_BYTES
    started_s = time.perf_counter()
    written_bytes = sum(write_part(into / part, STEMS[part], tensors, pieces, max_bytes))
    seconds = time.perf_counter() - started_s
    print(f"{part:12} {kind:4} {written_bytes / 1e9:6.2f} GB in {seconds:.1f} s")


def main(arguments: list[str] | None = None) -> None:
    """Write a checkpoint and check that it is complete."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    card = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--into", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--fp32", action="store_true", help="the transformer in float32, as it is published")
    parser.add_argument("--tiny", action="store_true", help="a few MB, to try the script without a card")
    parser.add_argument("--device", default=card, help="where the weights are made")
    options = parser.parse_args(arguments)
    pipeline = random_pipeline(torch.device(options.device), torch.bfloat16, is_tiny=options.tiny)
    if not options.tiny:  # the tiny text encoder's vocabulary is smaller
        pipeline.register_modules(tokenizer=large_tokenizer(pipeline.tokenizer.chat_template))
    write(options.into, pipeline, is_fp32=options.fp32)
    missing = missing_parts(options.into)
    if missing:
        raise SystemExit(f"{options.into} lacks {', '.join(missing)}")
    print(f"{options.into} is whole")


if __name__ == "__main__":
    main()
