"""The probe: a small classifier that reads every trait and the style from a picture of native size.

It is trained only on rendered faces and never on the model's pictures, so it can evaluate the model. Faces
with half a style have no style label.
"""

from pathlib import Path

import torch
import torch.nn.functional as nnf
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.demo.faces.styles import STYLES
from engine.demo.faces.traits import TRAITS
from engine.demo.networks import PROBE

STYLE_NAMES = tuple(STYLES)
WIDTHS = (24, 48, 80, 96, 96)
GRID = (6, 4)


class Probe(nn.Module):
    """Five convolutions and one linear layer for all traits and the style."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for index, width in enumerate(WIDTHS):
            stride = 2 if index < len(WIDTHS) - 1 else 1
            layers += [nn.Conv2d(before, width, 3, stride, 1), nn.GroupNorm(8, width), nn.SiLU()]
            before = width
        self.eye = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(GRID), nn.Flatten())
        self.sizes = [*(len(trait.values) for trait in TRAITS), len(STYLE_NAMES)]
        self.reading = nn.Linear(before * GRID[0] * GRID[1], sum(self.sizes))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Score pictures, float [B, 3, 192, 128] in 0 … 1: trait name or ``style`` → scores [B, values]."""
        scores = self.reading(self.eye(pictures * 2 - 1)).split(self.sizes, dim=1)
        return dict(zip([*(trait.name for trait in TRAITS), "style"], scores, strict=True))

    @torch.no_grad()
    def read(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return the index of the most likely value of every trait and of the style, int64 [B] each."""
        return {name: scores.argmax(1) for name, scores in self(pictures).items()}


def roughen(pictures: Tensor) -> Tensor:
    """Blur, dim and speckle pictures slightly, so that the probe does not rely on exact pixels."""
    device = pictures.device
    soft = nnf.avg_pool2d(nnf.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.rand(len(pictures), 1, 1, 1, device=device) * 0.7
    light = 1 + (torch.rand(len(pictures), 1, 1, 1, device=device) - 0.5) * 0.08
    rough = torch.lerp(pictures, soft, share) * light
    return (rough + torch.randn_like(rough) * 0.02 * torch.rand(len(pictures), 1, 1, 1, device=device)).clamp(
        0, 1
    )


def save_probe(probe: Probe, path: Path) -> None:
    """Write the probe's weights as bfloat16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.to("cpu", torch.bfloat16).contiguous() for name, value in probe.state_dict().items()},
        path,
    )


def load_probe(path: Path = PROBE) -> Probe:
    """Read a probe's weights, for float32 on the CPU."""
    probe = Probe()
    probe.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return probe.eval()
