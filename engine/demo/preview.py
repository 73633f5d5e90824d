"""Draws the picture strip of the READMEs and the page: ``python -m engine.demo.preview strip.png``.

One prompt and one seed: the base, then each LoRA of the shelf at weights 0.5 and 1.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image, ImageDraw, ImageFont

from engine.demo.faces.styles import SHELF
from engine.demo.metrics import load_lora, make_pictures
from engine.demo.networks import HERE, load_pipeline

PROMPT = "清透水光肌，玫瑰腮红，正红唇，圆眼，浓密睫毛，粉色长卷发，斜刘海，发间小花，看向镜头，薄荷绿背景"
LORA_WEIGHTS = (0.5, 1.0)
GAP_PX = 6
LABEL_PX = 22  # under each picture
INK, PAPER = "#4a3a33", "white"


def draw_preview(home: Path, prompt: str, seed: int, scale: int = 1) -> Image.Image:
    """Draw the strip: the base, then each LoRA at weights 0.5 and 1, with labels.

    Args:
        home: Folder with ``weights/`` and ``loras/``.
        prompt: The prompt of every picture.
        seed: The seed of every picture.
        scale: Enlargement factor.
    """
    pipe = load_pipeline(home / "weights")
    labels, pictures = ["no LoRA"], [make_pictures(pipe, [prompt], seed)[0]]
    for style in SHELF:
        for weight in LORA_WEIGHTS:
            load_lora(pipe, home / "loras" / f"{style}.safetensors", weight)
            labels.append(f"{style} {weight:g}")
            pictures.append(make_pictures(pipe, [prompt], seed)[0])
    sheet = tile(torch.stack(pictures), len(pictures), scale)
    strip = Image.new("RGB", (sheet.width, sheet.height + LABEL_PX * scale), PAPER)
    strip.paste(sheet)
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(13 * scale)
    step = (sheet.width + GAP_PX * scale) / len(pictures)
    for index, label in enumerate(labels):
        middle = step * index + (step - GAP_PX * scale) / 2
        pen.text((middle, sheet.height + LABEL_PX * scale / 2), label, INK, font, anchor="mm")
    return strip


def tile(pictures: torch.Tensor, columns: int, scale: int = 1) -> Image.Image:
    """Arrange pictures, float [B, 3, H, W], on white with ``columns`` per row."""
    height, width = pictures.shape[-2:]
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP_PX) - GAP_PX, rows * (height + GAP_PX) - GAP_PX), PAPER)
    for index, picture in enumerate(pictures):
        array = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        position = (index % columns * (width + GAP_PX), index // columns * (height + GAP_PX))
        sheet.paste(Image.fromarray(array), position)
    return sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.LANCZOS)


def main(
    target: Annotated[Path, typer.Argument(help="Where the PNG goes.")],
    home: Annotated[Path, typer.Option(help="Folder with weights/ and loras/.")] = HERE,
    prompt: Annotated[str, typer.Option(help="What to draw.")] = PROMPT,
    seed: Annotated[int, typer.Option(help="The seed of every picture.")] = 7,
    scale: Annotated[int, typer.Option(help="Enlarge so many times.")] = 1,
) -> None:
    """Draw the strip and write it as a PNG."""
    draw_preview(home, prompt, seed, scale).save(target, optimize=True)


if __name__ == "__main__":
    typer.run(main)
