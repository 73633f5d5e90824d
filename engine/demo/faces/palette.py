"""Colours: one table per trait, in sRGB 0 … 255."""

import torch
from torch import Tensor

# Skin: light, base and shade colours, and how much it shines (0 … 1).
SKIN_LIGHT = ((255, 240, 229), (252, 233, 212), (255, 248, 250), (240, 190, 142), (178, 118, 84))
SKIN_BASE = ((255, 221, 204), (246, 215, 188), (248, 231, 234), (222, 163, 114), (142, 89, 62))
SKIN_SHADE = ((238, 173, 152), (226, 181, 150), (216, 190, 208), (180, 114, 74), (96, 55, 42))
SKIN_SHINE = (1.0, 0.0, 0.12, 0.35, 0.5)

BLUSH = ((255, 132, 84), (240, 62, 128), (240, 62, 128))
BLUSH_STRENGTH = (0.62, 0.6, 0.0)

LIPS = ((222, 140, 126), (214, 28, 44), (138, 22, 84))
LIPS_DEEP_SKIN = ((206, 122, 104), (206, 22, 38), (122, 14, 78))

HAIR = ((42, 36, 48), (110, 66, 44), (236, 198, 128), (206, 92, 40), (244, 150, 178), (84, 128, 206))
HAIR_SHADE = ((18, 14, 26), (64, 34, 26), (192, 142, 76), (142, 50, 24), (206, 96, 140), (44, 74, 152))
HAIR_LIGHT = (
    (112, 108, 138),
    (184, 128, 90),
    (255, 238, 190),
    (248, 156, 84),
    (255, 206, 222),
    (160, 196, 246),
)

BACKDROP_TOP = (
    (252, 208, 214),
    (196, 234, 216),
    (186, 220, 248),
    (216, 204, 244),
    (252, 240, 218),
    (40, 46, 92),
)
BACKDROP_END = (
    (246, 164, 180),
    (140, 208, 182),
    (126, 182, 232),
    (176, 156, 226),
    (240, 214, 172),
    (84, 70, 138),
)

IRIS = ((92, 54, 36), (128, 82, 40), (70, 122, 84), (62, 116, 170), (104, 100, 130))
CLOTHES = ((250, 247, 242), (244, 220, 200), (164, 188, 160), (118, 146, 190), (206, 120, 128), (62, 58, 76))


def table(rows: tuple[tuple[int, int, int], ...], index: Tensor) -> Tensor:
    """The rows' colours at ``index`` [B] → float [B, 3], 0 … 1."""
    return (torch.tensor(rows, dtype=torch.float32, device=index.device) / 255.0)[index]


def numbers(row: tuple[float, ...], index: Tensor) -> Tensor:
    """The row's numbers at ``index`` [B] → float [B, 1, 1]."""
    return torch.tensor(row, dtype=torch.float32, device=index.device)[index][:, None, None]


def choose(rows: int, share: Tensor) -> Tensor:
    """A nuance 0 … 1 [B] as the index of one of ``rows`` table rows."""
    return (share * rows).long().clamp(0, rows - 1)


def mix(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """Colours between ``a`` and ``b`` ([B, 3]) by ``share`` [B, H, W] → [B, 3, H, W]."""
    return a[:, :, None, None] + (b - a)[:, :, None, None] * share[:, None]
