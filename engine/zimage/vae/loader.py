"""A checkpoint's VAE → its two halves: our own, or the library's for a variant that ours do not compute."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic_core import from_json
from torch import Tensor

from engine.zimage.device import Placement
from engine.zimage.vae.blocks import VaeHalf
from engine.zimage.vae.config import VaeConfig
from engine.zimage.vae.decoder import Decoder
from engine.zimage.vae.encoder import VaeEncoder
from engine.zimage.vae.kernels import speed_up
from engine.zimage.vae.strips import run_in_strips
from engine.zimage.weight_reader import read_tensors

TILE_PX = 256  # side of a tile of the library's VAE; a quarter of a tile is blended


class Vae(Protocol):
    """A decoder with the numbers that scale its latents.

    Attributes:
        scaling_factor: Latents of the transformer ÷ this …
        shift_factor: … + this = latents of the decoder.
        dtype: The decoder's number format.
    """

    scaling_factor: float
    shift_factor: float
    dtype: torch.dtype

    def decode(self, latents: Tensor, *, is_lean: bool) -> Tensor:
        """Decode [1, channels, height, width].

        Args:
            latents: Scaled and shifted, in the decoder's number format.
            is_lean: Use less memory, but more time.

        Returns:
            [1, 3, 8 · height, 8 · width], -1 … 1, in the decoder's number format.
        """

    @property
    def nbytes(self) -> int:
        """Memory of the weights."""


class PictureEncoder(Protocol):
    """The other half of a VAE."""

    def encode(self, image: Tensor, *, is_lean: bool) -> Tensor:
        """Encode [1, 3, height, width], -1 … 1, in the VAE's number format.

        Returns:
            The means of the latents, [1, channels, height / 8, width / 8], neither scaled nor shifted.
        """


class OwnVae:
    """Our decoder.

    Args:
        config: The VAE's.
        decoder: With its weights.
    """

    def __init__(self, config: VaeConfig, decoder: Decoder) -> None:
        self.config = config
        self.scaling_factor, self.shift_factor = config.scaling_factor, config.shift_factor or 0.0
        self.dtype = decoder.conv_in.weight.dtype
        self.decoder = decoder

    def decode(self, latents: Tensor, *, is_lean: bool) -> Tensor:
        """As ``Vae.decode``; lean, it decodes in strips, without seams."""
        image: Tensor = run_in_strips(self.decoder, latents) if is_lean else self.decoder(latents)
        return image

    @property
    def nbytes(self) -> int:
        """Memory of the weights."""
        return sum(parameter.nbytes for parameter in self.decoder.parameters())


class LibraryVae:
    """The library's decoder.

    Args:
        vae: An ``AutoencoderKL`` on its device.
    """

    def __init__(self, vae: Any) -> None:
        self.scaling_factor, self.shift_factor = vae.config.scaling_factor, vae.config.shift_factor or 0.0
        self.dtype: torch.dtype = vae.dtype
        self._vae = vae

    def decode(self, latents: Tensor, *, is_lean: bool) -> Tensor:
        """As ``Vae.decode``; lean, it decodes in tiles, which leaves faint seams."""
        with self._tiles(is_lean):
            image: Tensor = self._vae.decode(latents, return_dict=False)[0]
        return image

    def encode(self, image: Tensor, *, is_lean: bool) -> Tensor:
        """As ``PictureEncoder.encode``; lean, it encodes in tiles."""
        with self._tiles(is_lean):
            means: Tensor = self._vae.encode(image, return_dict=False)[0].mean
        return means

    @contextmanager
    def _tiles(self, are_used: bool) -> Iterator[None]:
        if are_used:
            self._vae.tile_sample_min_size, self._vae.tile_latent_min_size = TILE_PX, TILE_PX // 8
            self._vae.enable_tiling()
        try:
            yield
        finally:
            self._vae.disable_tiling()

    @property
    def nbytes(self) -> int:
        """Memory of the weights."""
        return sum(parameter.nbytes for parameter in self._vae.parameters())


class OwnEncoder:
    """Our encoder, with its weights."""

    def __init__(self, encoder: VaeEncoder) -> None:
        self.encoder = encoder

    def encode(self, image: Tensor, *, is_lean: bool) -> Tensor:
        """As ``PictureEncoder.encode``; lean, it encodes in strips, without seams."""
        moments: Tensor = run_in_strips(self.encoder, image) if is_lean else self.encoder(image)
        return moments.chunk(2, dim=1)[0]


def load_vae(config: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device) -> Vae:
    """Make a decoder of weights that are on their device; the encoder's are not used.

    Raises:
        LookupError: Weights are missing.
        RuntimeError: Weights have other shapes.
    """
    try:
        own = VaeConfig.model_validate(config)
    except ValueError:
        return _library_vae(config, tensors, device)
    with torch.device("meta"):
        decoder = Decoder(own)
    _fill(decoder, "decoder.", tensors, device)
    return OwnVae(own, decoder)


def load_encoder(vae: Vae, folder: Path, placement: Placement) -> PictureEncoder:
    """Read the encoder that belongs to a loaded decoder.

    Args:
        vae: The decoder.
        folder: The checkpoint that it is from.
        placement: Where it is.

    Raises:
        BadHeader: A file is damaged.
        OSError: A file is missing or ends early.
        LookupError: Weights are missing.
        RuntimeError: Weights have other shapes.
        OutOfMemoryError: The device has too little free memory.
    """
    if isinstance(vae, LibraryVae):
        return vae  # it has both halves
    assert isinstance(vae, OwnVae)  # noqa: S101 - there are no others
    if not vae.config.has_known_encoder:
        config = from_json((folder / "vae" / "config.json").read_bytes())
        return _library_vae(config, read_tensors(folder, "vae", placement), placement.device)
    with torch.device("meta"):
        encoder = VaeEncoder(vae.config)
    _fill(encoder, "encoder.", read_tensors(folder, "vae", placement, "encoder."), placement.device)
    return OwnEncoder(encoder)


def _fill(half: VaeHalf, prefix: str, tensors: Mapping[str, Tensor], device: torch.device) -> None:
    used = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
    missing = half.load_state_dict(used, strict=False, assign=True).missing_keys
    if missing:
        raise LookupError(f"the VAE lacks {len(missing)} tensors, among them {prefix}{missing[0]}")
    half.to(device).requires_grad_(False).eval()
    speed_up(half, device)


def _library_vae(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device
) -> LibraryVae:
    from diffusers import AutoencoderKL  # noqa: PLC0415 - takes seconds, and few models need it

    with torch.device("meta"):
        vae = AutoencoderKL.from_config(dict(config))
    missing = vae.load_state_dict(tensors, strict=False, assign=True).missing_keys
    if missing:
        raise LookupError(f"the VAE lacks {len(missing)} tensors, among them {missing[0]}")
    vae.to(device).requires_grad_(False).eval()
    return LibraryVae(vae)
