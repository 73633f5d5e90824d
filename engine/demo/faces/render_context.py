"""One batch of faces on its canvas, with the colours and positions that all parts share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.demo.faces import palette
from engine.demo.faces.shapes import Canvas, column, ramp
from engine.demo.faces.styles import Style
from engine.demo.faces.traits import TRAIT, Faces

EYE_X, EYE_Y, MOUTH_Y = 0.46, 0.20, 0.83


@dataclass(frozen=True, slots=True)
class RenderContext:
    """The input of all drawing functions.

    Attributes:
        turn: float [B, 1, 1]: the turn of the features to the viewer's right, in head units.
    """

    canvas: Canvas
    faces: Faces
    style: Style
    skin_light: Tensor
    skin: Tensor
    skin_shade: Tensor
    shine: Tensor
    hair_light: Tensor
    hair: Tensor
    hair_shade: Tensor
    turn: Tensor

    def nuance(self, name: str) -> Tensor:
        """A nuance as [B, 1, 1], 0 … 1."""
        return column(self.faces.nuances[name])

    def is_value(self, trait: str, *values: str) -> Tensor:
        """1.0 where the trait has one of these values, else 0.0, as [B, 1, 1]."""
        wanted = torch.tensor([value in values for value in TRAIT[trait].values], dtype=torch.float32)
        return column(wanted.to(self.turn.device)[self.faces.traits[trait]])

    def pick(self, trait: str, **numbers: float) -> Tensor:
        """One number per value of the trait, as [B, 1, 1]."""
        row = tuple(numbers[value] for value in TRAIT[trait].values)
        return palette.numbers(row, self.faces.traits[trait])

    def tone(self, shade: Tensor) -> Tensor:
        """Shade 0 … 1, flattened to two tones by the style's ``cel``."""
        flat = ramp(shade, 0.47, 0.55) * 0.8
        return shade + (flat - shade) * self.style.cel


def make_context(faces: Faces, size: tuple[int, int], style: Style) -> RenderContext:
    """Place each head on a canvas of ``size`` (width, height in px) and look up its colours."""
    width, height = size
    part, traits = faces.nuances, faces.traits
    room = min(width / 128.0 * 41.0, height / 128.0 * 34.5)
    unit = room * (0.96 + 0.08 * part["scale"])
    centre_y = height * (0.475 if height > width else 0.515) + (part["shift_y"] - 0.5) * 0.10 * unit
    centre = (width / 2 + (part["shift_x"] - 0.5) * 0.16 * unit, centre_y)
    canvas = Canvas(size, centre, unit, (part["tilt"] - 0.5) * 0.24, style.line)
    gaze = palette.numbers((-1.0, 0.0, 1.0), traits["gaze"])
    skin, hair = traits["skin"], traits["hair"]
    return RenderContext(
        canvas, faces, style,
        palette.table(palette.SKIN_LIGHT, skin), palette.table(palette.SKIN_BASE, skin),
        palette.table(palette.SKIN_SHADE, skin), palette.numbers(palette.SKIN_SHINE, skin),
        palette.table(palette.HAIR_LIGHT, hair), palette.table(palette.HAIR, hair),
        palette.table(palette.HAIR_SHADE, hair),
        gaze * 0.11 + (column(part["drift"]) - 0.5) * 0.04,
    )  # fmt: skip
