"""The limits of Z-Image-Turbo."""

from pathlib import Path

from engine.checkpoint.model import ModelInfo

TURBO = ModelInfo(
    name="turbo",
    folder=Path("/x"),
    native_width_px=512,
    native_height_px=768,
    min_side_px=256,
    max_side_px=1536,
    max_area_px=1024 * 1536,
)
