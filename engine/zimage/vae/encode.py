"""Pixels → latents, for pictures that begin with an earlier one."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
import torch
from torch import Tensor

from engine.checkpoint.contents import header_of, weight_files
from engine.cuda.upload import upload
from engine.zimage.device import Placement
from engine.zimage.vae.loader import LibraryVae, PictureEncoder, Vae, load_encoder

log = structlog.get_logger("engine.worker")


class StartEncoder:
    """The VAE's encoder, which is read from the checkpoint when the first start picture comes.

    Args:
        vae: The decoder that belongs to it.
        folder: The checkpoint.
        placement: The device and its number format.
    """

    def __init__(self, vae: Vae, folder: Path, placement: Placement) -> None:
        self._vae, self._folder, self._placement = vae, folder, placement
        self._encoder: PictureEncoder | None = None

    @torch.no_grad()
    def encode(self, pixels: npt.NDArray[np.uint8], *, is_lean: bool = False) -> Tensor:
        """Encode one picture; the same pixels give the same latents.

        The latents are the means of the distribution that the encoder predicts: a sample of it would add
        noise that no seed of the picture names.

        Args:
            pixels: Shape (height, width, 3); both sides are multiples of 16.
            is_lean: Use less memory, but more time.

        Returns:
            float32 (1, channels, height / 8, width / 8) on the device, scaled for the transformer.

        Raises:
            OutOfMemoryError: The device has too little free memory.
            LookupError: The checkpoint has no encoder.
        """
        if self._encoder is None:
            self._encoder = load_encoder(self._vae, self._folder, self._placement)
            log.info("encoder of start pictures loaded")
        vae = self._vae
        levels = upload(torch.from_numpy(pixels), self._placement.device)
        image = (levels.permute(2, 0, 1)[None].float() / 127.5 - 1).to(vae.dtype)
        means = self._encoder.encode(image, is_lean=is_lean)
        return (means.float() - vae.shift_factor) * vae.scaling_factor

    @property
    def missing_bytes(self) -> int:
        """Memory that the encoder will take when it is loaded; 0 if it is there."""
        if self._encoder is not None or isinstance(self._vae, LibraryVae):
            return 0
        entries = (
            entry
            for path in weight_files(self._folder, "vae")
            for name, entry in header_of(path).items()
            if name.startswith("encoder.")
        )
        return sum(torch.Size(entry.shape).numel() * self._placement.dtype.itemsize for entry in entries)
