"""Distance functions and the canvas: the geometry of all parts of a face.

A shape is a signed distance (negative inside) in head units over a picture, [B, H, W]. A canvas turns
distances into anti-aliased colour: coverage falls from 1 to 0 over the one pixel that the edge crosses.
"""

import torch
from torch import Tensor


def column(values: Tensor) -> Tensor:
    """[B] → [B, 1, 1], so that a number per face broadcasts over its pixels."""
    return values[:, None, None]


def ellipse(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """Distance to an ellipse about the origin; exact on its edge, a good estimate near it."""
    near = torch.sqrt((x / rx) ** 2 + (y / ry) ** 2)
    slope = torch.sqrt((x / rx**2) ** 2 + (y / ry**2) ** 2)
    return near * (near - 1.0) / (slope + 1e-6)


def box(x: Tensor, y: Tensor, half_w: Tensor | float, half_h: Tensor | float, radius: float) -> Tensor:
    """Distance to a box about the origin with rounded corners."""
    dx, dy = x.abs() - half_w + radius, y.abs() - half_h + radius
    outside = torch.sqrt(dx.clamp(min=0) ** 2 + dy.clamp(min=0) ** 2 + 1e-9)
    return outside + torch.maximum(dx, dy).clamp(max=0) - radius


def stroke(
    x: Tensor, y: Tensor, start: tuple[Tensor | float, Tensor | float], end: tuple[Tensor | float, Tensor |
        float],
    radii: tuple[Tensor | float, Tensor | float],
) -> Tensor:  # fmt: skip
    """Distance to a straight brush stroke whose radius runs from ``radii[0]`` to ``radii[1]``."""
    (ax, ay), (bx, by) = start, end
    dx, dy = bx - ax, by - ay
    along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-9)).clamp(0, 1)
    gap = torch.sqrt((x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2 + 1e-9)
    return gap - (radii[0] + (radii[1] - radii[0]) * along)


def join(a: Tensor, b: Tensor, roundness: float) -> Tensor:
    """The union of two shapes, its inner corners filled over ``roundness``."""
    blend = (0.5 + 0.5 * (b - a) / roundness).clamp(0, 1)
    return b + (a - b) * blend - roundness * blend * (1 - blend)


def ramp(values: Tensor, start: float, end: float) -> Tensor:
    """0 before ``start``, 1 after ``end``, smooth between (``start`` may be the larger)."""
    t = ((values - start) / (end - start)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def spot(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """A soft round patch, 1 at the origin, falling off like a bell."""
    return torch.exp(-((x / rx) ** 2) - (y / ry) ** 2)


class Canvas:
    """B pictures being painted, and their pixels' positions relative to each head.

    Attributes:
        rgb: float [B, 3, H, W], 0 … 1.
        x: float [B, 1, W], the pixel's position on the canvas in head units from the head's middle; ``y`` is
            [B, H, 1].
        u: float [B, H, W], the position in the head's tilted frame, to the viewer's right; ``v`` is
            downwards.
        px: float [B, 1, 1], the size of one pixel in head units.
        line: How strongly outlines show, 0 … 1, and ``line_width`` in head units.
    """

    def __init__(
        self, size: tuple[int, int], centre: tuple[Tensor, Tensor], unit_px: Tensor, tilt: Tensor, line:
            float,
    ) -> None:  # fmt: skip
        width, height = size
        device = unit_px.device
        unit = column(unit_px)
        self.px = 1.0 / unit
        self.x = (torch.arange(width, device=device)[None, None, :] + 0.5 - column(centre[0])) / unit
        self.y = (torch.arange(height, device=device)[None, :, None] + 0.5 - column(centre[1])) / unit
        cos, sin = column(torch.cos(tilt)), column(torch.sin(tilt))
        pivot = 1.2  # the head turns about the neck
        self.u = self.x * cos + (self.y - pivot) * sin
        self.v = (self.y - pivot) * cos - self.x * sin + pivot
        self.rgb = torch.ones(len(unit_px), 3, height, width, device=device)
        self.line = line
        self.line_width = 0.022
        self.line_colour = torch.tensor([0.24, 0.13, 0.17], device=device)[None, :]

    def cover(self, distance: Tensor, softness: float = 0.0) -> Tensor:
        """How much of each pixel is inside a shape; ``softness`` widens the edge, in head units."""
        return (0.5 - distance / (self.px + softness)).clamp(0, 1)

    def blend(self, weight: Tensor, colour: Tensor) -> None:
        """Mix ``colour`` ([B, 3] or [B, 3, H, W]) into the picture by ``weight`` [B, H, W]."""
        render_faces = colour[:, :, None, None] if colour.ndim == 2 else colour
        self.rgb = torch.lerp(
            self.rgb, render_faces.expand_as(self.rgb), weight.expand(self.rgb[:, 0].shape)[:, None]
        )

    def fill(
        self, distance: Tensor, colour: Tensor, alpha: Tensor | float = 1.0, outline: bool = False
    ) -> None:
        """Paint a shape, and where ``outline`` its edge as strongly as this canvas draws lines."""
        self.blend(self.cover(distance) * alpha, colour)
        if outline and self.line > 0:
            self.draw_outline(distance, alpha)

    def draw_outline(self, distance: Tensor, alpha: Tensor | float = 1.0) -> None:
        """Draw the edge of a shape as a line of ink."""
        ink = self.cover(distance.abs() - self.line_width)
        self.blend(ink * self.line * alpha, self.line_colour.expand(len(self.rgb), 3))
