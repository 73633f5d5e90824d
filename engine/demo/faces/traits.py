"""What a face can look like: the named traits that a prompt decides, and the nuances that a seed decides.

A batch of faces is a few tensors: for each trait the index of its value, and for each nuance a number in
0 … 1. Captions use the traits, the renderer uses both, and the probe learns the traits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Trait:
    """One property that a prompt can decide.

    Attributes:
        values: Its possible values, in the order of their indices.
        odds: Relative frequency of each value; empty means equal frequencies.
    """

    name: str
    values: tuple[str, ...]
    odds: tuple[float, ...] = ()


TRAITS = (
    Trait("skin", ("dewy", "matte", "porcelain", "tan", "deep")),
    Trait("blush", ("peach", "rose", "none")),
    Trait("lips", ("nude", "red", "berry")),
    Trait("eyes", ("upturned", "round", "smiling")),
    Trait("lashes", ("fine", "thick")),
    Trait("hair", ("black", "brown", "blonde", "ginger", "pink", "blue")),
    Trait("cut", ("long", "wavy", "bob", "bun", "twintails", "pixie")),
    Trait("fringe", ("straight", "parted", "side")),
    Trait("gaze", ("left", "front", "right"), (1.0, 1.6, 1.0)),
    Trait("extra", ("none", "earrings", "flower", "glasses"), (1.6, 1.0, 1.0, 1.0)),
    Trait("backdrop", ("rose", "mint", "sky", "lavender", "cream", "night")),
)
TRAIT = {trait.name: trait for trait in TRAITS}

NUANCES = (
    "tilt", "scale", "shift_x", "shift_y", "smile", "iris", "clothes", "neckline", "pattern", "wave",
    "brow", "hue", "light", "jaw", "spark", "drift",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Faces:
    """A batch of B faces.

    Attributes:
        traits: Trait name → int64 [B], the index of its value.
        nuances: Nuance name → float32 [B], 0 … 1.
    """

    traits: dict[str, Tensor]
    nuances: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.traits["skin"])

    def part(self, chosen: Tensor | slice) -> "Faces":
        """The faces at ``chosen``: an index tensor or a slice."""
        return Faces(
            {name: column[chosen] for name, column in self.traits.items()},
            {name: column[chosen] for name, column in self.nuances.items()},
        )

    def to(self, device: torch.device | str) -> "Faces":
        """The same faces on another device."""
        return Faces(
            {name: column.to(device) for name, column in self.traits.items()},
            {name: column.to(device) for name, column in self.nuances.items()},
        )

    def values(self, index: int) -> dict[str, str]:
        """Trait name → value name of the face at ``index``."""
        return {trait.name: trait.values[int(self.traits[trait.name][index])] for trait in TRAITS}


def sample_faces(count: int, seed: int) -> Faces:
    """Draw ``count`` random faces: every trait and nuance is independent of the others."""
    rng = torch.Generator().manual_seed(seed)
    traits = {}
    for trait in TRAITS:
        odds = torch.tensor(trait.odds or (1.0,) * len(trait.values))
        traits[trait.name] = torch.multinomial(odds, count, replacement=True, generator=rng)
    nuances = {name: torch.rand(count, generator=rng) for name in NUANCES}
    return Faces(traits, nuances)
