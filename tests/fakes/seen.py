"""What a picture shows, read by the built-in model's probe: the tests' eyes."""

import io

import numpy as np
import torch
from PIL import Image

from engine.demo.faces.traits import TRAITS
from engine.demo.probe import STYLE_NAMES, load_probe


def seen(png: bytes) -> dict[str, str]:
    """Trait name → value, and ``style`` → ``base`` or a LoRA's name, of a picture of 128 × 192."""
    with Image.open(io.BytesIO(png)) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGB")))
    read = load_probe().read(pixels.permute(2, 0, 1)[None] / 255)
    values = {trait.name: trait.values[int(read[trait.name])] for trait in TRAITS}
    return values | {"style": STYLE_NAMES[int(read["style"])]}
