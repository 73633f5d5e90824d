"""The memory that each part of a model takes on the card, from the headers of its files alone.

Sizes are those after loading: every number is a bfloat16 on the card, whatever the file holds.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoint.contents import header_of, weight_files
from engine.checkpoint.header import Tensor

BF16_BYTES = 2  # of one number
_MAIN = re.compile(r"layers\.\d+\.")
_NOISE = re.compile(r"noise_refiner\.\d+\.")
_CONTEXT = re.compile(r"context_refiner\.\d+\.")
_ENCODER_LAYER = re.compile(r"(?:model\.)?layers\.\d+\.")
_FIRST_NORM = ".attention_norm1.weight"  # as long as the hidden size


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizes:
    """Bytes of a model's parts in bfloat16, and the numbers that decide its arithmetic.

    Attributes:
        blocks: The number of main blocks of the transformer; all have the same size.
        block_bytes: One main block.
        block_matrix_bytes: The large matrices of one main block: what LoRAs change and 8 bits shrink.
        refiner_bytes: The noise and the context refiners; they always keep their place on the card.
        refiner_matrix_bytes: Their large matrices.
        noise_matrix_bytes: Those of the noise refiners, which run in every step, as the main blocks do.
        other_bytes: The transformer's embedders, its time embedding and its last layer.
        width: The transformer's hidden size.
        attention_layers: Main blocks and noise refiners.
        encoder_bytes: The text encoder.
        encoder_layer_bytes: One of its layers.
        encoder_table_bytes: Its token embeddings and final norm; main memory can hold the table.
        vae_bytes: The VAE.
    """

    blocks: int
    block_bytes: int
    block_matrix_bytes: int
    refiner_bytes: int
    refiner_matrix_bytes: int
    noise_matrix_bytes: int
    other_bytes: int
    width: int
    attention_layers: int
    encoder_bytes: int
    encoder_layer_bytes: int
    encoder_table_bytes: int
    vae_bytes: int

    @property
    def transformer_bytes(self) -> int:
        """The whole transformer."""
        return self.blocks * self.block_bytes + self.refiner_bytes + self.other_bytes

    @property
    def matrix_bytes(self) -> int:
        """All large matrices: the size of a merged copy."""
        return self.blocks * self.block_matrix_bytes + self.refiner_matrix_bytes

    @property
    def flops_a_token(self) -> float:
        """Operations of the matrix products for one token in one step: two for each weight."""
        return 2 * (self.blocks * self.block_matrix_bytes + self.noise_matrix_bytes) / BF16_BYTES


# Tongyi-MAI/Z-Image-Turbo, for questions about a card before the model is on the disk: 6,154,908,736
# parameters in the transformer, 4,022,468,096 in the text encoder, and a VAE of 168 MB.
Z_IMAGE_TURBO = ModelSizes(
    blocks=30,
    block_bytes=361_820_672,
    block_matrix_bytes=353_894_400,
    refiner_bytes=1_431_492_608,
    refiner_matrix_bytes=1_415_577_600,
    noise_matrix_bytes=707_788_800,
    other_bytes=23_704_704,
    width=3840,
    attention_layers=32,
    encoder_bytes=8_044_936_192,
    encoder_layer_bytes=201_861_632,
    encoder_table_bytes=777_917_440,
    vae_bytes=168_000_000,
)


def read_model_sizes(folder: Path) -> ModelSizes:
    """Read the sizes of a complete checkpoint folder.

    Raises:
        BadHeader: A weights file was damaged after the folder was checked.
        OSError: It is missing.
    """
    transformer, encoder = _tensors(folder, "transformer"), _tensors(folder, "text_encoder")
    main, noise = _named(transformer, _MAIN), _named(transformer, _NOISE)
    refiners = {**noise, **_named(transformer, _CONTEXT)}
    layers = _named(encoder, _ENCODER_LAYER)
    blocks, noise_blocks = _count(main, _MAIN), _count(noise, _NOISE)
    return ModelSizes(
        blocks=blocks,
        block_bytes=_bytes(main) // max(1, blocks),
        block_matrix_bytes=_bytes(_matrices(main)) // max(1, blocks),
        refiner_bytes=_bytes(refiners),
        refiner_matrix_bytes=_bytes(_matrices(refiners)),
        noise_matrix_bytes=_bytes(_matrices(noise)),
        other_bytes=_bytes(transformer) - _bytes(main) - _bytes(refiners),
        width=next((each.shape[0] for name, each in main.items() if name.endswith(_FIRST_NORM)), 0),
        attention_layers=blocks + noise_blocks,
        encoder_bytes=_bytes(encoder),
        encoder_layer_bytes=_bytes(layers) // max(1, _count(layers, _ENCODER_LAYER)),
        encoder_table_bytes=_bytes(encoder) - _bytes(layers),
        vae_bytes=_bytes(_tensors(folder, "vae")),
    )


def _tensors(folder: Path, part: str) -> dict[str, Tensor]:
    return {name: each for path in weight_files(folder, part) for name, each in header_of(path).items()}


def _named(tensors: Mapping[str, Tensor], pattern: re.Pattern[str]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if pattern.match(name)}


def _matrices(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor
        for name, tensor in tensors.items()
        if len(tensor.shape) == 2 and (".attention." in name or ".feed_forward." in name)
    }


def _count(tensors: Mapping[str, Tensor], pattern: re.Pattern[str]) -> int:
    return len({match[0] for name in tensors if (match := pattern.match(name))})


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(math.prod(tensor.shape) for tensor in tensors.values()) * BF16_BYTES
