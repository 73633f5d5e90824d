"""A preview is small, shows the same picture, and keeps the settings of the original."""

import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.pictures.preview import PREVIEW_PX, make_preview


def a_png(width_px: int, height_px: int, **texts: str) -> bytes:
    """A picture with a smooth and a noisy half."""
    picture = Image.effect_noise((width_px, height_px), 60).convert("RGB")
    picture.paste(Image.linear_gradient("L").resize((width_px, height_px // 2)).convert("RGB"))
    info, kept = PngInfo(), io.BytesIO()
    for key, value in texts.items():
        info.add_itxt(key, value)
    picture.save(kept, "PNG", pnginfo=info)
    return kept.getvalue()


@pytest.mark.parametrize(("size", "expected"), [((1024, 1536), (341, 512)), ((768, 512), (512, 341))])
def test_a_preview_has_the_shape_and_the_settings_in_a_fraction_of_the_bytes(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    original = a_png(*size, parameters="a face 雨, Steps: 8", xmp="<x/>")
    preview = make_preview(original)
    assert preview is not None
    assert len(preview) < len(original) / 3
    with Image.open(io.BytesIO(preview)) as small, Image.open(io.BytesIO(original)) as large:
        assert small.format == "PNG"
        assert all(abs(one - other) <= 1 for one, other in zip(small.size, expected, strict=True))
        assert small.text == {"parameters": "a face 雨, Steps: 8", "xmp": "<x/>"}  # type: ignore[attr-defined]
        means = [
            image.convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
            for image in (small, large)
        ]
    assert abs(means[0] - means[1]) < 4  # type: ignore[operator]


def test_a_picture_as_small_as_a_preview_stays() -> None:
    assert make_preview(a_png(PREVIEW_PX, 64)) is None


@pytest.mark.parametrize("content", [b"", b"not a picture", a_png(600, 600)[:2_000]])
def test_what_is_no_whole_picture_stays(content: bytes) -> None:
    assert make_preview(content) is None
