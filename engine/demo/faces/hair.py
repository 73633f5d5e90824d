"""Hair behind and over the head."""

import torch
from torch import Tensor

from engine.demo.faces import palette
from engine.demo.faces.head import face_shape
from engine.demo.faces.render_context import RenderContext
from engine.demo.faces.shapes import box, ellipse, join, ramp


def _strands(s: RenderContext, flow: Tensor) -> Tensor:
    """Fine light and dark along the hair, about 0, from the direction ``flow`` it falls in."""
    wave = s.nuance("wave") * 6.28
    return 0.5 * torch.sin(flow * 17 + wave) + 0.3 * torch.sin(flow * 41 + wave * 2)


def _colour(s: RenderContext, shade: Tensor, shine: Tensor) -> Tensor:
    """Hair colour for a shade 0 … 1 and a shine 0 … 1 → [B, 3, H, W]."""
    dark = palette.mix(s.hair, s.hair_shade, s.tone(shade.clamp(0, 1)))
    light = s.hair_light[:, :, None, None]
    return dark + (light - dark) * shine.clamp(0, 1)[:, None]


def _wave(s: RenderContext) -> Tensor:
    """Sideways swing of wavy hair down its length, in head units; 0 for every other cut."""
    v = s.canvas.v
    return 0.10 * torch.sin(v * 4.6 + s.nuance("wave") * 3) * ramp(v, -0.2, 0.6) * s.is_value("cut", "wavy")


def back_shape(s: RenderContext) -> Tensor:
    """Distance to the hair behind the head, by cut."""
    c = s.canvas
    u, v = c.u, c.v
    cap = ellipse(u, v + 0.24, 1.17, 1.23)
    swing = u.abs() + _wave(s)
    fall = box(swing, v - 0.95, 1.13 + 0.10 * ramp(v, 0.0, 1.8), 1.25, 0.35)
    waves = box(swing, v - 0.85, 1.20 + 0.20 * ramp(v, 0.1, 1.6), 1.15, 0.45)
    bob = box(u, v - 0.30, 1.24 + 0.06 * ramp(v, -0.2, 0.7), 0.82, 0.42)
    bun = ellipse(u, v + 1.52, 0.50, 0.44)
    tail_x, tail_v = u.abs() - 1.42 + 0.10 * (v - 0.2) ** 2, v - 0.52
    tails = ellipse(tail_x, tail_v, 0.34 - 0.06 * ramp(v, 0.4, 1.6), 1.14)
    short = ellipse(u, v - 0.05, 1.12, 0.85)
    shape = cap
    for cut, part in (
        ("long", fall),
        ("wavy", waves),
        ("bob", bob),
        ("bun", bun),
        ("twintails", tails),
        ("pixie", short),
    ):
        shape = torch.where(s.is_value("cut", cut) > 0, join(cap, part, 0.12), shape)
    return shape


def draw_back(s: RenderContext) -> None:
    """The hair behind the head."""
    c = s.canvas
    shape = back_shape(s)
    depth = ramp(c.v, -1.0, 1.4) * 0.55 + ramp(1.25 - c.u.abs(), 0.0, 0.5) * 0.35 * ramp(c.v, 0.2, 0.9)
    flow = c.u + _wave(s) * 1.5
    shade = depth + 0.16 * _strands(s, flow)
    tips = ramp(c.v, 0.6, 2.0) * 0.45 * s.is_value("cut", "long", "twintails", "wavy")
    c.fill(shape, _colour(s, shade - tips * 0.6, tips), outline=True)
    ties = ellipse(c.u.abs() - 1.20, c.v + 0.58, 0.10, 0.13)
    band = torch.tensor([[0.96, 0.42, 0.50]], device=shape.device).expand(len(shape), 3)
    c.fill(ties, band, s.is_value("cut", "twintails"), outline=True)


def _fringe(s: RenderContext) -> Tensor:
    """How far below the hairline a pixel is (negative: under hair), by fringe."""
    u, v = s.canvas.u, s.canvas.v
    notch = 0.055 * torch.sin(u * 13 + s.nuance("wave") * 4).abs()
    straight = v + 0.30 - 0.16 * u * u - notch + 1.1 * ramp(u.abs(), 0.72, 1.0) * -0.45
    parted = v + 1.02 - 1.12 * u.abs().pow(1.45)
    w = (
        u + 0.42
    )  # always at the viewer's left: of a chance to fall either way the model made a middle parting
    sided = v + 0.98 - torch.where(w > 0, 0.62 * w.abs().pow(1.25), 1.55 * w.abs().pow(1.3))
    shape = straight
    for fringe, part in (("parted", parted), ("side", sided)):
        shape = torch.where(s.is_value("fringe", fringe) > 0, part, shape)
    return shape


def front_shape(s: RenderContext) -> Tensor:
    """Distance to the hair over the forehead and beside the cheeks."""
    u, v = s.canvas.u, s.canvas.v
    cap = ellipse(u, v + 0.24, 1.17, 1.23)
    fringe = torch.maximum(cap, torch.maximum(_fringe(s) * 0.75, v - 0.55))
    length = s.pick("cut", long=1.75, wavy=1.55, bob=0.98, bun=0.50, twintails=0.85, pixie=0.34)
    inner = 0.90 - 0.10 * ramp(v, 0.1, 0.9) * s.is_value("cut", "bob", "long", "wavy")
    swing = u.abs() + _wave(s) * 0.8
    inner = inner + 0.30 * ramp(v - length, -0.75, 0.0)
    lock = torch.maximum(inner - swing, swing - 1.17)
    lock = torch.maximum(lock, torch.maximum(v - length, -0.35 - v))
    return join(fringe, lock, 0.05)


def draw_front(s: RenderContext) -> None:
    """The hair over the head, with a shadow under it and a ring of light round it."""
    c = s.canvas
    shape = front_shape(s)
    c.blend(c.cover(shape - 0.05, softness=0.12) * c.cover(face_shape(s)) * 0.42, s.skin_shade)
    side = (s.nuance("light") > 0.5).float() * 2 - 1
    crown = torch.atan2(c.u, 1.3 - c.v.clamp(max=0.1)) * 1.6
    strands = _strands(s, crown + (c.u - crown) * ramp(c.v, -0.2, 0.5))
    shade = 0.25 + 0.30 * ramp(c.v, -0.9, 0.9) + 0.22 * ramp(c.u * side, 0.0, 1.1) + 0.20 * strands
    ring_v = c.v + 0.86 - 0.30 * c.u * c.u + 0.028 * torch.sin(c.u * 17 + s.nuance("wave") * 5)
    ring = torch.exp(-((ring_v / 0.095) ** 2)) * ramp(c.u.abs(), 1.0, 0.55)
    flat = ramp(ring, 0.45, 0.55)
    ring = (ring + (flat - ring) * s.style.cel) * (0.72 + 0.2 * s.style.dew)
    c.fill(shape, _colour(s, shade, ring), outline=True)
    rim = c.cover(shape) * ramp(shape, -0.08, -0.01) * 0.22 * (1 - s.style.cel)
    c.blend(rim, s.hair_shade)
