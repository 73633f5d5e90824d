"""Everything around the face: backdrop, neck, shoulders, clothes, earrings, flower and glasses."""

import torch
from torch import Tensor

from engine.demo.faces import palette
from engine.demo.faces.render_context import RenderContext
from engine.demo.faces.shapes import box, column, ellipse, join, ramp, spot

WHITE = torch.tensor([[1.0, 1.0, 1.0]])


def white(like: Tensor) -> Tensor:
    """Return white for a batch like ``like`` [B, …] → [B, 3]."""
    return WHITE.to(like.device).expand(len(like), 3)


def draw_backdrop(s: RenderContext) -> None:
    """A gradient, a halo behind the head, and one of three patterns: lights, rays or petals."""
    c, index = s.canvas, s.faces.traits["backdrop"]
    top, end = palette.table(palette.BACKDROP_TOP, index), palette.table(palette.BACKDROP_END, index)
    y = c.y.expand(c.u.shape)
    c.rgb = palette.mix(top, end, ramp(y + 0.15 * c.x, -2.4, 2.6))
    pattern = s.nuance("pattern")
    night = s.is_value("backdrop", "night")
    halo = ellipse(c.x, c.y + 0.25, 1.75, 1.75).expand(c.u.shape)
    glow = 0.30 - 0.16 * night
    c.blend(c.cover(halo) * glow * (pattern < 0.4), white(c.u))
    c.blend(spot(c.x, c.y + 0.3, 2.0, 2.0) * glow * 1.4 * (pattern >= 0.4), white(c.u))
    lights, rays = (pattern >= 0.4) & (pattern < 0.72), pattern >= 0.72
    angle = torch.atan2(c.y + 0.3, c.x + 1e-6)
    c.blend(ramp(torch.sin(angle * 12 + s.nuance("drift") * 6), -0.12, 0.12) * 0.16 * rays, white(c.u))
    for step in range(9):
        turn = s.nuance("drift") * 6.28 + step * 2.4
        far = 1.35 + 0.13 * step
        light = ellipse(
            c.x - torch.cos(turn) * far, c.y + 0.3 - torch.sin(turn) * far * 1.15, 0.09 + 0.025 * (step % 4),
            0.09 + 0.025 * (step % 4),
        )  # fmt: skip
        c.blend(c.cover(light) * (0.22 + 0.05 * (step % 3)) * lights, white(c.u))


def draw_body(s: RenderContext) -> None:
    """Neck, shoulders and a plain garment whose neckline is round or a V."""
    c = s.canvas
    x, y = c.x, c.y
    torso = join(ellipse(x, y - 2.95, 1.62, 1.32), box(x, y - 1.2, 0.36, 0.75, 0.1), 0.50).expand(c.u.shape)
    shade = s.tone(ramp(y - 0.10 * x, 1.66, 1.20).expand(c.u.shape))
    c.fill(torso, palette.mix(s.skin, s.skin_shade, shade * 0.95), outline=True)
    c.blend(c.cover(torso) * spot(x - 0.32, y - 1.86, 0.30, 0.05) * 0.45, s.skin_light)
    c.blend(c.cover(torso) * spot(x + 0.32, y - 1.86, 0.30, 0.05) * 0.45, s.skin_light)
    vee = (s.nuance("neckline") > 0.5).float()
    round_neck = torch.minimum(ellipse(x, y - 1.62, 0.80, 0.46), y - 1.55)
    v_neck = y - 2.40 + x.abs() * 1.25
    bare = torch.lerp(round_neck.expand(c.u.shape), v_neck.expand(c.u.shape), vee)
    cloth = torch.maximum(torch.maximum(torso - 0.008, -bare), 1.45 - y)
    colour = palette.table(palette.CLOTHES, palette.choose(6, s.faces.nuances["clothes"]))
    fold = ramp((x.abs() - 0.35 + 0.12 * torch.sin(y * 4)).expand(c.u.shape), 0.0, 1.3)
    c.fill(cloth, palette.mix(colour, colour * 0.80, s.tone(fold)), outline=True)
    hem = torch.maximum(bare.abs() - 0.035, 1.45 - y)
    c.blend(c.cover(torch.maximum(hem, torso)) * 0.75, colour * 0.86)


def draw_earrings(s: RenderContext) -> None:
    """A gold drop with a pearl under each ear."""
    c, is_worn = s.canvas, s.is_value("extra", "earrings")
    gold = torch.tensor([[0.94, 0.76, 0.36]], device=c.u.device).expand(len(c.u), 3)
    x, y = c.u.abs() - 1.10, c.v - 0.62
    c.fill(ellipse(x, y, 0.055, 0.055), gold, is_worn, outline=True)
    c.fill(ellipse(x, y - 0.24, 0.125, 0.145), gold, is_worn, outline=True)
    c.blend(spot(x + 0.03, y - 0.19, 0.05, 0.06) * is_worn, white(c.u))


def draw_flower(s: RenderContext) -> None:
    """A five-petalled flower in the hair, at the viewer's upper right."""
    c, is_worn = s.canvas, s.is_value("extra", "flower")
    x, y = c.u - 0.82, c.v + 0.72
    angle, far = torch.atan2(y, x), torch.sqrt(x * x + y * y + 1e-6)
    petal = far - 0.30 * (0.72 + 0.28 * torch.cos(angle * 5 + 0.5).abs().sqrt())
    hue = column((s.faces.nuances["hue"] > 0.5).float())
    pink = torch.tensor([[1.0, 0.93, 0.95]], device=c.u.device).expand(len(c.u), 3)
    warm = torch.tensor([[1.0, 0.80, 0.30]], device=c.u.device).expand(len(c.u), 3)
    c.blend(spot(x, y - 0.05, 0.38, 0.38) * 0.35 * is_worn, s.hair_shade)
    c.fill(petal, pink, is_worn, outline=True)
    c.blend(
        c.cover(petal) * spot(x, y, 0.18, 0.18) * (0.5 + 0.3 * hue) * is_worn,
        warm * torch.tensor([1.0, 0.7, 0.9], device=c.u.device),
    )
    c.fill(far - 0.075, warm, is_worn)


def draw_glasses(s: RenderContext) -> None:
    """Round wire glasses, turned with the face."""
    c, is_worn = s.canvas, s.is_value("extra", "glasses")
    u, v = c.u - s.turn * 1.1, c.v - 0.16
    lens = ellipse(u.abs() - 0.45, v, 0.385, 0.36)
    bridge = box(u, v + 0.06 + 0.2 * u * u, 0.09, 0.022, 0.01)
    arm = box(u.abs() - 0.93, v + 0.08, 0.12, 0.022, 0.01)
    frame = torch.minimum(lens.abs() - 0.024, torch.minimum(bridge, arm))
    dark = torch.tensor([[0.34, 0.20, 0.17]], device=c.u.device).expand(len(c.u), 3)
    c.blend(c.cover(lens) * ramp(u.abs() * 0.5 - v, 0.25, 0.75) * 0.22 * is_worn, white(c.u))
    c.fill(frame, dark, is_worn * 0.92)
