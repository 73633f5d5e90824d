"""Writes a picture's settings and provenance into its PNG, and reads the settings back.

There are two marks: the ``parameters`` text chunk in the format of AUTOMATIC1111's web UI, which most tools
read, and an XMP packet that declares the picture as made by a model (IPTC's digital source type). Both depend
on the settings alone, so the same job gives the same bytes. They do not contain the person, the chat or the
time.
"""

import io
import json
import re
from dataclasses import dataclass, field

from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from engine.request import LoraChoice

KEYWORD = "parameters"
SAMPLER = "Euler"
CFG_SCALE = 1  # "no guidance" in these tools; diffusers' Z-Image pipeline uses 0 for the same
STRENGTH, START_HASH = "Denoising strength", "Init image hash"  # as these tools name them
MAX_LINE_CHARS = 4096  # fits four LoRAs with the longest file names; bounds the work on an untrusted file
XMP_KEYWORD = "XML:com.adobe.xmp"

# https://cv.iptc.org/newscodes/digitalsourcetype/ lists the codes.
XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreatorTool="Sugarbot"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""

_SETTING = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_HASH = re.compile(r"(?:^|, )(.+?): ([0-9a-f]{64})(?=, |$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StartSettings:
    """The picture that another one began with.

    Attributes:
        sha256: Of its file.
        strength: As in ``StartPicture``.
    """

    sha256: str
    strength: float


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """Everything that reproduces one picture, but for the pixels of its start.

    Attributes:
        prompt: Without LoRA tags.
        model: The checkpoint's name.
        start: None if it was drawn from noise alone.
    """

    prompt: str = field(repr=False)
    seed: int
    width_px: int
    height_px: int
    steps: int
    model: str
    loras: tuple[LoraChoice, ...] = ()
    start: StartSettings | None = None


def describe(settings: PictureSettings) -> str:
    """Return the text of the ``parameters`` chunk: the prompt with LoRA tags, then one line of settings."""
    tags = [f"<lora:{choice.name}:{choice.weight}>" for choice in settings.loras]
    facts = {
        "Steps": settings.steps,
        "Sampler": SAMPLER,
        "CFG scale": CFG_SCALE,
        "Seed": settings.seed,
        "Size": f"{settings.width_px}x{settings.height_px}",
        "Model": settings.model,
    }
    if settings.start:
        facts[STRENGTH], facts[START_HASH] = settings.start.strength, settings.start.sha256
    if settings.loras:
        facts["Lora hashes"] = ", ".join(f"{choice.name}: {choice.sha256}" for choice in settings.loras)
    line = ", ".join(f"{key}: {_quote(str(value))}" for key, value in facts.items())
    return " ".join([settings.prompt, *tags]) + "\n" + line


def text_chunks(settings: PictureSettings) -> PngInfo:
    """Return the picture's text chunks for Pillow's ``pnginfo``."""
    info = PngInfo()
    text = describe(settings)
    if text.isascii():
        info.add_text(KEYWORD, text)
    else:  # tEXt is Latin-1; iTXt is UTF-8
        info.add_itxt(KEYWORD, text)
    info.add_itxt(XMP_KEYWORD, XMP)
    return info


def read_settings(png: bytes) -> PictureSettings | None:
    """Read the settings that ``text_chunks`` wrote into a PNG file; None if there are none of ours.

    Args:
        png: A whole, untrusted file. A file that is not a PNG also gives None.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            if not isinstance(picture, PngImageFile):
                return None
            text = picture.text.get(KEYWORD, "")
    except (OSError, ValueError, SyntaxError):  # Pillow raises these for a damaged file
        return None
    try:
        return parse(str(text))
    except (KeyError, ValueError):
        return None


def parse(text: str) -> PictureSettings:
    """Read back what ``describe`` wrote.

    Raises:
        KeyError: A setting is missing.
        ValueError: A setting has the wrong format.
    """
    tagged, _, line = text.rpartition("\n")
    if len(line) > MAX_LINE_CHARS:
        raise ValueError("The line of settings is too long to be ours.")
    facts = {key: _unquote(value) for key, value in _SETTING.findall(line)}
    width, _, height = facts["Size"].partition("x")
    prompt, loras = _split_tags(tagged, _HASH.findall(facts.get("Lora hashes", "")))
    has_start = START_HASH in facts
    return PictureSettings(
        prompt=prompt,
        seed=int(facts["Seed"]),
        width_px=int(width),
        height_px=int(height),
        steps=int(facts["Steps"]),
        model=facts["Model"],
        loras=loras,
        start=StartSettings(facts[START_HASH], float(facts[STRENGTH])) if has_start else None,
    )


def _split_tags(tagged: str, hashes: list[tuple[str, str]]) -> tuple[str, tuple[LoraChoice, ...]]:
    """Remove the tags of the hashed LoRAs from the prompt's end. A tag that a person typed remains."""
    choices = []
    for name, sha256 in reversed(hashes):
        tagged, start, tag = tagged.rpartition(f" <lora:{name}:")
        if not start or not tag.endswith(">"):
            raise ValueError("A hashed LoRA has no tag at the prompt's end.")
        choices.append(LoraChoice(name, sha256, float(tag.removesuffix(">"))))
    return tagged, tuple(reversed(choices))


def _quote(value: str) -> str:
    """Quote a value that contains separators, as other tools expect."""
    is_plain = value == value.strip() and not re.search(r'[,:"\n\r\\]', value)
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def _unquote(value: str) -> str:
    return str(json.loads(value)) if value.startswith('"') else value.strip()
