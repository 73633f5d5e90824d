"""Renders a batch of faces in any style and size.

All formulas run in torch, so that one card renders thousands of faces per second. The same faces and size
give the same pictures on the same kind of device.
"""

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.demo.faces import background, eyes, hair, head
from engine.demo.faces.render_context import RenderContext, make_context
from engine.demo.faces.styles import Style
from engine.demo.faces.traits import Faces


@torch.no_grad()
def render_faces(
    faces: Faces, size: tuple[int, int], style: Style | None = None, supersampling: int = 2
) -> Tensor:
    """Render faces.

    Args:
        faces: B faces; their device renders the pictures.
        size: Width and height in px.
        style: None is the base style.
        supersampling: Each pixel is the mean of ``supersampling``² rendered ones.

    Returns:
        float [B, 3, H, W], 0 … 1.
    """
    width, height = size
    s = make_context(faces, (width * supersampling, height * supersampling), style or Style())
    background.draw_backdrop(s)
    hair.draw_back(s)
    background.draw_body(s)
    head.draw_face(s)
    head.draw_blush(s)
    head.draw_nose(s)
    head.draw_shine(s)
    head.draw_mouth(s)
    eyes.draw_eyes(s)
    eyes.draw_brows(s)
    eyes.draw_lashes(s)
    background.draw_glasses(s)
    hair.draw_front(s)
    background.draw_earrings(s)
    background.draw_flower(s)
    if s.style.dew > 0:
        eyes.draw_sparkle(s)
    rgb = nn.avg_pool2d(s.canvas.rgb, supersampling) if supersampling > 1 else s.canvas.rgb
    return _apply_effects(rgb, s).clamp(0, 1)


@torch.no_grad()
def detail_weights(faces: Faces, size: tuple[int, int]) -> Tensor:
    """Return the weight of small details: float [B, H, W], 1 on eyes and lips, 0 far from them."""
    return head.detail_weights(make_context(faces, size, Style()))


def _apply_effects(rgb: Tensor, s: RenderContext) -> Tensor:
    """Apply a style's effects to the finished picture: bloom, colour, paper, vignette, grain."""
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
        rng = torch.Generator().manual_seed(height * 1000 + width)
        noise = torch.randn(1, 1, height // 2, width // 2, generator=rng).to(rgb.device)
        rgb = rgb + nn.interpolate(noise, (height, width), mode="bilinear") * 0.024 * style.grain
    return rgb
