"""The painter: a batch of faces in, pictures out, in any style and at any size.

Everything is drawn from formulas in torch, so that one card draws thousands of faces a second and no picture
of anybody is needed. The same faces and size always give the same pictures on the same kind of device.
"""

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.demo.faces import eyes, hair, head, scene
from engine.demo.faces.sitting import Sitting, open_sitting
from engine.demo.faces.styles import Style
from engine.demo.faces.traits import Faces


@torch.no_grad()
def paint(faces: Faces, size: tuple[int, int], style: Style | None = None, fineness: int = 2) -> Tensor:
    """Draw faces.

    Args:
        faces: B faces; the pictures are made on their device.
        size: Width and height in px.
        style: None is the base.
        fineness: Each pixel is the mean of ``fineness``² painted ones.

    Returns:
        float [B, 3, H, W], 0 … 1.
    """
    width, height = size
    s = open_sitting(faces, (width * fineness, height * fineness), style or Style())
    scene.paint_backdrop(s)
    hair.paint_back(s)
    scene.paint_body(s)
    head.paint_face(s)
    head.paint_blush(s)
    head.paint_nose(s)
    head.paint_shine(s)
    head.paint_mouth(s)
    eyes.paint_eyes(s)
    eyes.paint_brows(s)
    eyes.paint_lashes(s)
    scene.paint_glasses(s)
    hair.paint_front(s)
    scene.paint_earrings(s)
    scene.paint_flower(s)
    if s.style.dew > 0:
        eyes.paint_sparkle(s)
    rgb = nn.avg_pool2d(s.canvas.rgb, fineness) if fineness > 1 else s.canvas.rgb
    return _develop(rgb, s).clamp(0, 1)


@torch.no_grad()
def notice(faces: Faces, size: tuple[int, int]) -> Tensor:
    """Where the small things of each face are: float [B, H, W], 1 on eyes and lips, 0 far from them."""
    return head.notice(open_sitting(faces, size, Style()))


def _develop(rgb: Tensor, s: Sitting) -> Tensor:
    """What a style does to the finished picture: bloom, colour, paper, vignette, grain."""
    style = s.style
    if style.bloom > 0:
        glow = nn.avg_pool2d(
            nn.avg_pool2d(rgb, 9, 1, 4, count_include_pad=False), 9, 1, 4, count_include_pad=False
        )
        rgb = rgb + (1 - rgb) * glow.pow(3.0) * 0.42 * style.bloom
    grey = rgb.mean(1, keepdim=True)
    rgb = grey + (rgb - grey) * style.colour
    if style.warmth != 0:
        rgb = (
            rgb
            * torch.tensor([1 + 0.035 * style.warmth, 1.0, 1 - 0.05 * style.warmth], device=rgb.device)[
                :, None, None
            ]
        )
    height, width = rgb.shape[-2:]
    y = torch.linspace(-1, 1, height, device=rgb.device)[:, None]
    x = torch.linspace(-1, 1, width, device=rgb.device)[None, :]
    if style.paper > 0:
        edge = torch.maximum(x.abs() + 0.05 * torch.sin(y * 9), y.abs() + 0.05 * torch.sin(x * 7))
        thin = 0.16 + 0.84 * ((edge - 0.74) / 0.26).clamp(0, 1)
        sheet = torch.tensor([0.98, 0.965, 0.93], device=rgb.device)[:, None, None]
        rgb = rgb + (sheet - rgb) * thin * style.paper
    if style.vignette > 0:
        rgb = rgb * (1 - 0.30 * style.vignette * ((x * x + y * y) / 2).pow(1.3))
    if style.grain > 0:
        dice = torch.Generator().manual_seed(height * 1000 + width)
        noise = torch.randn(1, 1, height // 2, width // 2, generator=dice).to(rgb.device)
        rgb = rgb + nn.interpolate(noise, (height, width), mode="bilinear") * 0.024 * style.grain
    return rgb
