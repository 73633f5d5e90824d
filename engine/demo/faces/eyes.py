"""Eyes, lashes and brows. Both sides are drawn at once in mirrored coordinates."""

import torch
from torch import Tensor

from engine.demo.faces import palette
from engine.demo.faces.background import white
from engine.demo.faces.head import face_shape
from engine.demo.faces.render_context import EYE_X, EYE_Y, RenderContext
from engine.demo.faces.shapes import column, ellipse, ramp, spot, stroke

LASHES = 5


def _frame(s: RenderContext) -> tuple[Tensor, Tensor, Tensor]:
    """Eye coordinates: ``x`` outward from the eye's middle, ``y`` down, and the side, -1 or 1."""
    c = s.canvas
    u = c.u - s.turn
    side = torch.where(u < 0, -1.0, 1.0)
    scale = s.style.eye
    return (u.abs() - EYE_X - 0.02 * (scale - 1)) / scale, (c.v - EYE_Y) / scale, side


def _lids(s: RenderContext, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Half width, and the height of the upper and the lower lid over ``x``."""
    half = s.pick("eyes", upturned=0.32, round=0.285, smiling=0.315)
    lift = s.pick("eyes", upturned=0.095, round=0.0, smiling=-0.035)
    above = s.pick("eyes", upturned=0.19, round=0.275, smiling=0.225)
    below = s.pick("eyes", upturned=0.095, round=0.175, smiling=-0.03)
    t = x / half
    arch = (1 - t * t).clamp(min=0)
    skew = -lift * (
        0.45 * t + 0.75 * t.clamp(min=0) ** 2
    )  # the outer corner lifts, the inner one hardly falls
    return half, skew - above * arch.pow(0.62), skew + below * arch.pow(0.8)


def draw_eyes(s: RenderContext) -> None:
    """White, iris, pupil, catch-lights, and the line and shade of the lids."""
    c = s.canvas
    x, y, side = _frame(s)
    half, upper, lower = _lids(s, x)
    inside = torch.maximum(torch.maximum(upper - y, y - lower), x.abs() - half) * 0.8 * s.style.eye
    soft = 0.5 * min(s.style.sculpt, 1.6)
    c.blend((spot(x - 0.02, y + 0.20, 0.30, 0.13) * soft * 0.7).clamp(0, 1), s.skin_shade)
    c.blend(spot(x, lower - y + 0.11, 0.24, 0.045) * s.is_value("eyes", "smiling") * 0.75, s.skin_light)
    c.blend(spot(x, lower - y + 0.17, 0.22, 0.030) * s.is_value("eyes", "smiling") * 0.5, s.skin_shade)
    eye_white = torch.tensor([[0.99, 0.985, 0.98]], device=x.device).expand(len(x), 3)
    c.fill(inside, palette.mix(eye_white, eye_white * 0.80, ramp(y - upper, 0.16, 0.0)))
    gaze = palette.numbers((-1.0, 0.0, 1.0), s.faces.traits["gaze"])
    ix = x - (gaze * 0.07 + s.turn * 0.1) * side
    iy = y - s.pick("eyes", upturned=-0.035, round=-0.02, smiling=-0.105)
    size = s.pick("eyes", upturned=0.17, round=0.195, smiling=0.165)
    clip = c.cover(inside)
    far = ellipse(ix, iy, size, size * 1.06) * s.style.eye
    iris = palette.table(palette.IRIS, palette.choose(5, s.faces.nuances["iris"]))
    shade = palette.mix((iris * 1.35 + 0.10).clamp(0, 1), iris * 0.45, ramp(-iy + 0.2 * ix, -0.13, 0.12))
    c.blend(c.cover(far) * clip, shade)
    c.blend(c.cover(far.abs() - 0.018) * clip * 0.7, iris * 0.35)
    c.blend(c.cover(ellipse(ix, iy, size * 0.45, size * 0.5) * s.style.eye) * clip, iris * 0.12)
    glint = ellipse(ix + 0.055 * side, iy + 0.065, 0.052, 0.058) * s.style.eye
    c.blend(c.cover(glint) * c.cover(inside - 0.03), white(x))
    second = ellipse(ix - 0.06 * side, iy - 0.075, 0.030, 0.030) * s.style.eye
    c.blend(c.cover(second) * clip * (0.45 + 0.55 * max(s.style.dew, s.style.cel * 0.8)), white(x))
    if s.style.dew > 0:
        star = (ix.abs() * 6 + iy.abs() * 1.1 - 0.13).minimum(ix.abs() * 1.1 + iy.abs() * 6 - 0.13)
        c.blend(c.cover(star) * clip * s.style.dew * 0.8, white(x))
    c.blend(spot(x + half * 0.98, y - 0.01, 0.035, 0.03) * 0.5, s.skin_shade * 0.9 + 0.05)


def draw_lashes(s: RenderContext) -> None:
    """The lid line and lashes: fine and separate, or thick wedges with a swept corner."""
    c = s.canvas
    x, y, _ = _frame(s)
    half, upper, lower = _lids(s, x)
    thick = s.is_value("lashes", "thick")
    ink = torch.tensor([[0.13, 0.07, 0.09]], device=x.device).expand(len(x), 3)
    scale = s.style.eye
    near = c.cover(face_shape(s) - 0.03)
    edge = torch.where(x.abs() < half * 1.04, (y - upper).abs(), torch.full_like(x, 9.0))
    weight = (0.020 + 0.030 * thick) * (0.75 + 0.45 * ramp(x / half, -1.0, 1.0))
    c.fill((edge * 0.8 - weight) * scale, ink)
    under = torch.where(x.abs() < half, (y - lower).abs(), torch.full_like(x, 9.0))
    c.fill((under * 0.8 - 0.008 - 0.006 * thick) * scale, ink, 0.45 * ramp(x / half, -0.6, 0.6))
    crease = (y - upper + 0.085 + 0.03 * thick).abs() * 0.8 - 0.010
    c.fill(crease * scale, s.skin_shade * 0.72, 0.75 * ramp(x.abs() / half, 0.95, 0.75))
    for index in range(LASHES):
        share = index / (LASHES - 1)
        t = -0.45 + 1.43 * share
        _, root, _ = _lids(s, half * t)
        length = (0.085 + 0.075 * share) * (1.0 + 0.60 * thick)
        lean = -0.25 + 1.25 * share
        tip = (half * t + length * lean, root - length * (1.0 - 0.35 * share))
        lash = stroke(x, y, (half * t, root), tip, (0.012 + 0.022 * thick, 0.004 + 0.004 * thick))
        c.fill(lash * scale, ink, (0.80 + 0.20 * thick) * near)
    for share in (0.35, 0.62, 0.88):
        _, _, root = _lids(s, half * share)
        lash = stroke(x, y, (half * share, root), (half * share + 0.035, root + 0.075), (0.010, 0.003))
        c.fill(lash * scale, ink, thick * 0.9)


def draw_brows(s: RenderContext) -> None:
    """Two tapered arcs in a darker tone of the hair."""
    c = s.canvas
    u = c.u - s.turn
    x, y = u.abs() - 0.46, c.v + 0.255 + 0.09 * (s.style.eye - 1.0) * 2
    lift = s.pick("eyes", upturned=0.0, round=-0.01, smiling=-0.03) + 0.03 * (s.nuance("brow") - 0.5)
    arc = y + lift * x / 0.3 + 0.085 * (1 - (x / 0.34) ** 2).clamp(min=-0.4)
    thickness = 0.030 * (1.05 - 0.65 * ramp(x, -0.1, 0.34)) + 0.010 * (s.nuance("brow") - 0.5)
    brow = torch.maximum(arc.abs() - thickness, x.abs() - 0.30)
    colour = s.hair * 0.35 + s.hair_shade * 0.35 + s.skin_shade * 0.22
    c.fill(brow, colour, 0.88)


def draw_sparkle(s: RenderContext) -> None:
    """Two small stars of light beside the face, scaled by the style's ``dew``."""
    c = s.canvas
    for dx, dy, size in ((-1.18, -0.62, 0.20), (1.22, 0.55, 0.15)):
        x, y = c.u - dx - 0.1 * column(s.faces.nuances["spark"]), c.v - dy
        star = (x.abs() * 7 + y.abs()).minimum(x.abs() + y.abs() * 7) - size
        c.blend(c.cover(star) * s.style.dew * 0.9, white(x))
