"""A checkpoint's VAE → a decoder: our own, or the library's for a variant that ours does not compute."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.zimage.vae.decoder import Decoder, VaeConfig, speed_up
from engine.zimage.vae.strips import decode_in_strips

TILE_PX = 256  # side of a tile of the library's decoder; a quarter of a tile is blended
_PREFIX = "decoder."


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


class OwnVae:
    """Our decoder.

    Args:
        config: The VAE's.
        decoder: With its weights.
    """

    def __init__(self, config: VaeConfig, decoder: Decoder) -> None:
        self.scaling_factor, self.shift_factor = config.scaling_factor, config.shift_factor or 0.0
        self.dtype = decoder.conv_in.weight.dtype
        self.decoder = decoder

    def decode(self, latents: Tensor, *, is_lean: bool) -> Tensor:
        """As ``Vae.decode``; lean, it decodes in strips, without seams."""
        if is_lean:
            return decode_in_strips(self.decoder, latents)
        image: Tensor = self.decoder(latents)
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
        if is_lean:
            self._vae.tile_sample_min_size, self._vae.tile_latent_min_size = TILE_PX, TILE_PX // 8
            self._vae.enable_tiling()
        try:
            image: Tensor = self._vae.decode(latents, return_dict=False)[0]
        finally:
            self._vae.disable_tiling()
        return image

    @property
    def nbytes(self) -> int:
        """Memory of the weights."""
        return sum(parameter.nbytes for parameter in self._vae.parameters())


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
    used = {name.removeprefix(_PREFIX): each for name, each in tensors.items() if name.startswith(_PREFIX)}
    missing = decoder.load_state_dict(used, strict=False, assign=True).missing_keys
    if missing:
        raise LookupError(f"the VAE lacks {len(missing)} tensors, among them {_PREFIX}{missing[0]}")
    decoder.to(device).requires_grad_(False).eval()
    speed_up(decoder, device)
    return OwnVae(own, decoder)


def _library_vae(config: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device) -> Vae:
    from diffusers import AutoencoderKL  # noqa: PLC0415 - takes seconds, and few models need it

    with torch.device("meta"):
        vae = AutoencoderKL.from_config(dict(config))
    missing = vae.load_state_dict(tensors, strict=False, assign=True).missing_keys
    if missing:
        raise LookupError(f"the VAE lacks {len(missing)} tensors, among them {missing[0]}")
    vae.to(device).requires_grad_(False).eval()
    return LibraryVae(vae)
