"""Styles as numbers, so that a style can be applied partly.

A LoRA learns one style at several strengths; ``Style.at(0.5)`` is half way between the base and the style.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Style:
    """The renderer's parameters. The defaults are the style of the base model.

    Attributes:
        eye: Size of the eyes, 1.0 as in the base.
        line: How strongly outlines show, 0 … 1.
        cel: How far soft shade becomes two flat tones, 0 … 1.
        dew: Wet light on skin and lips, stars in the eyes, 0 … 1.
        sunkiss: Blush that runs from under the eyes over the nose, 0 … 1.
        sculpt: Depth of the shade that models the face, 1.0 as in the base.
        bloom: Light that spills over its edges, 0 … 1.
        grain: Film grain, 0 … 1.
        colour: Saturation, 1.0 as in the base.
        warmth: Shift towards warm light, -1 … 1.
        paper: Paint thinned out on paper, 0 … 1.
        vignette: Darker corners, 0 … 1.
    """

    eye: float = 1.0
    line: float = 0.0
    cel: float = 0.0
    dew: float = 0.0
    sunkiss: float = 0.0
    sculpt: float = 1.0
    bloom: float = 0.0
    grain: float = 0.0
    colour: float = 1.0
    warmth: float = 0.0
    paper: float = 0.0
    vignette: float = 0.0

    def at(self, strength: float) -> "Style":
        """Return this style at ``strength``: 0 is the base, 1 is the full style."""
        base = Style()
        return Style(
            **{
                knob.name: getattr(base, knob.name)
                + (getattr(self, knob.name) - getattr(base, knob.name)) * strength
                for knob in fields(Style)
            }
        )


STYLES = {
    "base": Style(),
    "sugar": Style(dew=1.0, sunkiss=1.0, bloom=1.0, warmth=0.7, eye=1.08, sculpt=0.7, colour=1.12),
    "anime": Style(eye=1.26, line=1.0, cel=1.0, sculpt=0.75, colour=1.22, dew=0.1),
    "realistic": Style(eye=0.9, sculpt=2.1, grain=0.8, colour=0.84, warmth=0.45, vignette=1.0),
    "ink": Style(line=0.9, paper=1.0, sculpt=0.6, colour=0.62, cel=0.3),
}
SHELF = ("sugar", "anime", "realistic")
SPARE = "ink"  # kept off the shelf, for tests of adding a LoRA
