"""Errors of one step at real sizes with outliers like the real model's, in every format against float32.

``python -m engine.bench.eight_bit.outliers`` makes a few blocks of Z-Image-Turbo's size with random weights.
Then it plants what is published about the real ones: a few tokens, here the caption's padding, have 6.6e4 in
one channel, and each feed-forward makes 9e5 of it. Through the same channel other tokens get mild outliers.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.bench.random_model import TINY, TURBO, random_transformer
from engine.config import WeightFormat
from engine.eight_bit.formats import EIGHT_BIT
from engine.lora.merger import Merger
from engine.lora.patches import NO_PATCHES
from engine.zimage.forward.forward import Forward

BLOCKS = 4
CHANNEL = 7  # of the token, that is large
INNER = (11, 200, 301)  # channels inside the feed-forward that become large
IN_TOKENS, IN_FEED = 6.6e4, 9e5
CAPTION = 50  # tokens, and 14 of padding
SIZE = (96, 64)  # of the latents: 512 x 768 px
TIME = 0.25


@dataclass(frozen=True, slots=True)
class StepError:
    """The relative error of a step's result against float32."""

    name: str
    is_planted: bool
    error: float


@torch.no_grad()
def plant(transformer: Any) -> None:
    """Make the padding's tokens large in one channel, and every feed-forward larger because of it."""
    transformer.cap_pad_token[:, CHANNEL] = IN_TOKENS
    width = transformer.cap_pad_token.shape[1]
    # A token with one large channel has √width in it after its norm, and 0 elsewhere.
    root = (IN_FEED / width) ** 0.5
    for block in (*transformer.noise_refiner, *transformer.context_refiner, *transformer.layers):
        for weight in (block.feed_forward.w1.weight, block.feed_forward.w3.weight):
            weight[INNER, :] = 0
            weight[INNER, CHANNEL] = root


def measure(device: torch.device, *, is_tiny: bool = False, is_planted: bool) -> list[StepError]:
    """Compare one step in the card's bfloat16, in fp8 and in int8 with float32."""
    config = (TINY if is_tiny else TURBO) | {"n_layers": BLOCKS, "n_refiner_layers": 1}
    transformer = random_transformer(config, device, torch.bfloat16)
    if is_planted:
        plant(transformer)
    narrow = {name: _step(transformer, name) for name in WeightFormat}
    exact = _step(transformer.float(), WeightFormat.BF16)
    return [
        StepError(str(name), is_planted, float((found - exact).norm() / exact.norm()))
        for name, found in narrow.items()
    ]


@torch.no_grad()
def _step(transformer: Any, weight_format: WeightFormat) -> Tensor:
    """Draw one step with a copy of the weights in this format."""
    forward = Forward(transformer, weight_format)
    generator = torch.Generator().manual_seed(1)
    width = transformer.config.cap_feat_dim
    embedding = torch.randn(CAPTION, width, generator=generator).to(forward.device, forward.dtype)
    latents = torch.randn(forward.channels, *SIZE, generator=generator).to(forward.device)
    patches = NO_PATCHES
    if weight_format in EIGHT_BIT:
        patches = Merger(forward.weights.matrices, forward.eight_bit_layers).merge(())
    caption = forward.refine_caption(embedding, patches)
    batch = forward.batch([caption], [SIZE], patches)
    return batch([latents], torch.tensor([TIME], device=forward.device))[0].float().clone()


def main(arguments: Sequence[str] | None = None) -> list[StepError]:
    """Measure with and without outliers, and print."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.eight_bit.outliers")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="small blocks, to try the script without a card")
    options = parser.parse_args(arguments)
    lines = []
    for is_planted in (False, True):
        for line in measure(torch.device(options.device), is_tiny=options.tiny, is_planted=is_planted):
            lines.append(line)
            about = "with outliers" if is_planted else "without"
            print(f"{line.name:6} {about:14} relative error {line.error:.2e} against float32", flush=True)
    return lines


if __name__ == "__main__":
    main()
