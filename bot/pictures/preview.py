"""A small, lossy copy of a picture, as a PNG with the settings of the original inside."""

import io

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile, PngInfo

PREVIEW_PX = 512  # its longer side: fills a phone's chat
COLORS = 256


def make_preview(png: bytes) -> bytes | None:
    """Return a preview of a picture; None if the picture itself is as small or is no PNG.

    A preview has at most ``PREVIEW_PX`` a side and ``COLORS`` colours, and the texts of the original.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
            if not isinstance(opened, PngImageFile) or max(opened.size) <= PREVIEW_PX:
                return None
            opened.load()
            texts = PngInfo()
            for key, value in opened.text.items():
                texts.add_text(key, value)  # keeps the kind of each text
            small = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    small.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.LANCZOS)
    kept = io.BytesIO()
    small.quantize(COLORS, method=Image.Quantize.MEDIANCUT).save(kept, "PNG", optimize=True, pnginfo=texts)
    preview = kept.getvalue()
    return preview if len(preview) < len(png) else None
