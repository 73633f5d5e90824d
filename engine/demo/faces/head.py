"""The head: ears, face, blush, nose and mouth."""

import torch
from torch import Tensor

from engine.demo.faces import palette
from engine.demo.faces.background import white
from engine.demo.faces.render_context import EYE_X, EYE_Y, MOUTH_Y, RenderContext
from engine.demo.faces.shapes import ellipse, join, ramp, spot


def face_shape(s: RenderContext) -> Tensor:
    """Distance to the face: a round skull, cheeks, and a small chin."""
    u, v = s.canvas.u, s.canvas.v
    jaw = 0.70 + 0.07 * s.nuance("jaw")
    skull = ellipse(u, v + 0.10, 1.0, 1.12)
    cheeks = join(skull, ellipse(u, v - 0.48, jaw + 0.08, 0.62), 0.30)
    return join(cheeks, ellipse(u - s.turn * 0.3, v - 0.98, 0.26, 0.22), 0.36)


def draw_face(s: RenderContext) -> None:
    """Ears and the face itself, lit from the upper left."""
    c = s.canvas
    ear = ellipse(c.u.abs() - 1.02, c.v - 0.24, 0.15, 0.25)
    c.fill(ear, palette.mix(s.skin, s.skin_shade, s.tone(ramp(c.u.abs(), 1.18, 0.98) * 0.8)), outline=True)
    face = face_shape(s)
    side = (s.nuance("light") > 0.5).float() * 2 - 1
    u = c.u * side
    rim = ramp(face, -0.42, 0.04) * ramp(u + 0.35 * c.v, -0.5, 0.9)
    shade = s.tone((rim * 0.85 + 0.22 * ramp(face, -0.12, 0.05)).clamp(0, 1)) * min(s.style.sculpt, 1.3)
    c.fill(face, palette.mix(s.skin, s.skin_shade, shade), outline=True)
    inside = c.cover(face)
    light = 0.75 - 0.35 * s.style.cel
    c.blend(inside * spot(u + 0.30, c.v + 0.35, 0.62, 0.55) * light * 0.8, s.skin_light)
    model = max(s.style.sculpt - 1.0, 0.0) * 0.5
    if model > 0:
        hollow = spot(c.u.abs() - 0.74, c.v - 0.62, 0.20, 0.34) + spot(
            c.u.abs() - 0.40, c.v + 0.12, 0.34, 0.12
        )
        c.blend(inside * (hollow * 0.55 * model).clamp(0, 1), s.skin_shade)
        c.blend(inside * spot(c.u - s.turn, c.v - 1.06, 0.28, 0.05) * 0.7 * model, s.skin_shade)


def draw_shine(s: RenderContext) -> None:
    """Highlights on forehead, cheekbones, nose and chin, scaled by skin and style."""
    c, turn = s.canvas, s.turn
    shine = (s.shine * 0.85 + 0.55 * s.style.dew).clamp(0, 1.1)
    spots = spot(c.u.abs() - 0.50 + 0.1 * (c.v - 0.42), c.v - 0.40, 0.16, 0.075)
    spots = (
        spots
        + spot(c.u - turn * 1.4 + 0.02, c.v - 0.40, 0.05, 0.085)
        + spot(c.u - turn, c.v - 1.08, 0.12, 0.05)
    )
    spots = spots + spot(c.u - turn + 0.05, c.v + 0.42, 0.36, 0.15) * 0.9
    c.blend((spots * shine * c.cover(face_shape(s))).clamp(0, 0.95), white(c.u))


def draw_blush(s: RenderContext) -> None:
    """Colour on the cheeks; a style may carry it up under the eyes and over the nose."""
    c, index = s.canvas, s.faces.traits["blush"]
    colour = palette.table(palette.BLUSH, index)
    strength = palette.numbers(palette.BLUSH_STRENGTH, index)
    u, v = c.u - s.turn * 0.8, c.v
    cheek = spot(u.abs() - 0.58, v - 0.55, 0.27, 0.18)
    under = spot(u.abs() - 0.46, v - 0.45, 0.34, 0.12) + 0.5 * spot(u, v - 0.46, 0.30, 0.10)
    flat = ramp(cheek, 0.42, 0.55) * 0.62
    cheek = cheek + (flat - cheek) * s.style.cel * 0.7
    bloom = torch.maximum(cheek, under.clamp(0, 1) * 1.05 * s.style.sunkiss)
    c.blend(c.cover(face_shape(s)) * bloom * strength, colour)


def draw_nose(s: RenderContext) -> None:
    """A light down the bridge, a soft shade beside it, and two small nostrils."""
    c = s.canvas
    side = (s.nuance("light") > 0.5).float() * 2 - 1
    u, v = c.u - s.turn * 1.5, c.v
    soft = (1.0 - 0.6 * s.style.cel) * min(s.style.sculpt, 1.8)
    c.blend((spot(u - 0.10 * side, v - 0.36, 0.075, 0.20) * 0.30 * soft).clamp(0, 1), s.skin_shade)
    c.blend((spot(u, v - 0.555, 0.15, 0.035) * 0.62 * soft).clamp(0, 1), s.skin_shade)
    c.blend(spot(u, v - 0.42, 0.055, 0.11) * 0.55, s.skin_light)
    c.blend(spot(u.abs() - 0.075, v - 0.545, 0.032, 0.020) * 0.75, s.skin_shade * 0.62)


def draw_mouth(s: RenderContext) -> None:
    """Two lips with a bow, a parting line that smiles, and gloss."""
    c, index = s.canvas, s.faces.traits["lips"]
    deep = s.is_value("skin", "deep")
    light_lips, deep_lips = palette.table(palette.LIPS, index), palette.table(palette.LIPS_DEEP_SKIN, index)
    colour = light_lips + (deep_lips - light_lips) * deep[:, 0]
    smile = 0.15 + 0.10 * s.nuance("smile") + 0.06 * s.is_value("eyes", "smiling")
    half = 0.235 + 0.03 * s.nuance("smile")
    u = c.u - s.turn * 1.15
    t = u / half
    seam = c.v - MOUTH_Y + smile * t * t * 0.55
    arch = (1 - t * t).clamp(min=0)
    bow = 0.095 * arch.pow(0.8) * (1 - 0.32 * torch.exp(-((t / 0.20) ** 2)))
    upper = torch.maximum(-seam - bow, seam) * 0.9
    lower = torch.maximum(seam - 0.125 * arch.pow(0.72), -seam) * 0.9
    upper, lower = (torch.maximum(part, u.abs() - half) for part in (upper, lower))
    c.blend(spot(u, c.v - MOUTH_Y - 0.20, 0.17, 0.045) * 0.5, s.skin_shade)
    c.fill(lower, colour)
    c.fill(upper, colour * 0.88)
    line = torch.maximum(seam.abs() - 0.014, u.abs() - half - 0.02)
    c.fill(line, colour * 0.50, 0.85)
    gloss = s.pick("lips", nude=0.75, red=0.45, berry=0.40) + 0.5 * s.style.dew
    wet = spot(u + 0.02, seam - 0.062, 0.105, 0.026) + 0.6 * spot(u + 0.07, seam + 0.05, 0.035, 0.018)
    c.blend(c.cover(torch.minimum(upper, lower)) * (wet * gloss).clamp(0, 0.95), white(c.u))


def detail_weights(s: RenderContext) -> Tensor:
    """Return the weight of details: 1 on eyes and lips, less on the cheeks, 0 elsewhere, [B, H, W]."""
    u, v = s.canvas.u - s.turn, s.canvas.v
    eyes = spot(u.abs() - EYE_X, v - EYE_Y + 0.05, 0.42, 0.36)
    lips = spot(u, v - MOUTH_Y, 0.36, 0.24)
    cheeks = 0.5 * spot(u.abs() - 0.56, v - 0.5, 0.3, 0.2)
    return torch.maximum(torch.maximum(eyes, lips), cheeks)
