"""Settings are written into a PNG in other tools' format and read back."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.finish.encoder import encode
from engine.finish.metadata import PictureSettings, StartSettings, describe, parse, read_settings
from engine.request import MAX_SEED, LoraChoice

SHA_A, SHA_B = "a" * 64, "0123456789abcdef" * 4
PIXELS = np.random.default_rng(1).integers(0, 256, (32, 48, 3), dtype=np.uint8)


def settings(prompt: str = "a face", **changes: object) -> PictureSettings:
    given = {"seed": 7, "width_px": 48, "height_px": 32, "steps": 8, "model": "Z-Image-Turbo", **changes}
    return PictureSettings(prompt, **given)  # type: ignore[arg-type]


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


def test_the_text_has_the_format_that_other_tools_read() -> None:
    text = describe(settings(loras=(LoraChoice("sugar", SHA_A, 0.8), LoraChoice("anime", SHA_B, -1.5))))
    assert text == (
        "a face <lora:sugar:0.8> <lora:anime:-1.5>\n"
        "Steps: 8, Sampler: Euler, CFG scale: 1, Seed: 7, Size: 48x32, Model: Z-Image-Turbo, "
        f'Lora hashes: "sugar: {SHA_A}, anime: {SHA_B}"'
    )


def test_a_start_picture_is_named_as_other_tools_name_one() -> None:
    given = settings(start=StartSettings(SHA_B, 0.3), loras=(LoraChoice("sugar", SHA_A, 0.8),))
    assert describe(given).endswith(
        "Size: 48x32, Model: Z-Image-Turbo, Denoising strength: 0.3, "
        f'Init image hash: {SHA_B}, Lora hashes: "sugar: {SHA_A}"'
    )
    assert read_settings(encode(PIXELS, given)) == given


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a face, 8k",
        "Sugar面部, 清透水光肌, 微醺蜜桃腮红",
        'she said "hello, you"',
        "one\ntwo\n\nthree",
        "trailing space ",
        " \tleading",
        "Steps: 3, Sampler: DDIM, Seed: 1, Size: 1x1",
        "a face\nSteps: 3, Seed: 1, Size: 1x1, Model: no",
        "Negative prompt: ugly",
        "back\\slash \\n and <lora:sugar:0.3> typed",
        "👩🏽‍🎨 é ß \u202eright to left",
    ],
)
def test_any_prompt_is_read_back_from_the_file_unchanged(prompt: str) -> None:
    for loras in ((), (LoraChoice("sugar", SHA_A, 0.8),)):
        given = settings(prompt, loras=loras)
        assert read_settings(encode(PIXELS, given)) == given


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    model=NAMES,
    seed=st.integers(0, MAX_SEED),
    loras=st.lists(
        st.builds(LoraChoice, NAMES, st.sampled_from([SHA_A, SHA_B]), st.floats(-2, 2)), max_size=4
    ),
    start=st.none() | st.builds(StartSettings, st.just(SHA_B), st.floats(0, 1, exclude_min=True)),
)
def test_what_is_described_is_parsed_back(
    prompt: str, model: str, seed: int, loras: list[LoraChoice], start: StartSettings | None
) -> None:
    given = settings(prompt, model=model, seed=seed, loras=tuple(loras), start=start)
    assert parse(describe(given)) == given


def test_chinese_text_uses_a_utf8_chunk_and_ascii_text_a_latin1_chunk() -> None:
    assert b"iTXtparameters\0" in encode(PIXELS, settings("清透水光肌"))
    assert b"tEXtparameters\0" in encode(PIXELS, settings("dewy skin"))


def test_the_picture_is_marked_as_made_by_a_model() -> None:
    picture = opened(encode(PIXELS, settings()))
    packet = ElementTree.fromstring(picture.info["xmp"].decode("utf-8"))  # noqa: S314 - our own packet
    facts = packet.find(".//{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert facts is not None
    assert facts.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType") == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )
    assert facts.get("{http://ns.adobe.com/xap/1.0/}CreatorTool") == "Sugarbot"


def test_a_file_without_our_settings_gives_none() -> None:
    plain = io.BytesIO()
    Image.fromarray(PIXELS).save(plain, "PNG")
    foreign = encode(PIXELS, settings()).replace(b"Size: 48x32", b"Size: 48xWW")
    assert read_settings(plain.getvalue()) is None
    assert read_settings(foreign) is None
    assert read_settings(b"GIF89a no picture") is None
    assert read_settings(encode(PIXELS, settings())[:60]) is None


def test_an_untrusted_text_cannot_make_the_parser_slow() -> None:
    with pytest.raises(ValueError, match="too long"):
        parse("a face\n" + "a" * 1_000_000)


def test_settings_do_not_show_the_prompt() -> None:
    assert "secret" not in repr(settings("secret"))
