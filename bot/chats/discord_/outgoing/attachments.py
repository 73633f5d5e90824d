"""Pictures as files that Discord accepts: the PNG itself, or a WebP of it if the PNG is too large.

A picture that is too large even as WebP is left out; the message then says how to get it.
"""

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from PIL import ExifTags, Image

from bot.outcomes import PictureFile

log = structlog.get_logger()
MAX_ATTACHMENTS = 10  # Discord's limit for files of one message
REQUEST_BYTES = 24 * 1024 * 1024  # Discord accepts 25 MiB in one request; the rest is for text and headers
ALT_CHARS = 400  # enough to describe the picture; Discord accepts 1024
QUALITIES = (95, 85, 70)  # of WebP; 95 looks like the original, 70 fits every picture that we can draw


@dataclass(frozen=True, slots=True)
class PictureAttachment:
    """One file of a message; screen readers read ``alt_text``, and a spoiler shows after a press."""

    name: str
    alt_text: str
    data: bytes = field(repr=False)
    is_spoiler: bool = False


@dataclass(frozen=True, slots=True)
class ReadPictures:
    """The pictures that fit into one message, and how many do not."""

    attachments: tuple[PictureAttachment, ...]
    too_large: int = 0


async def read_attachments(
    job_id: str,
    pictures: Sequence[PictureFile],
    file_bytes: int,
    prompt_of: Callable[[int], str],
    *,
    is_spoiler: bool = False,
    is_original: bool = False,
) -> ReadPictures:
    """Read the pictures from disk, each within ``file_bytes`` and all within one request.

    Pictures that are no longer on disk are left out. An original is never compressed.

    Args:
        job_id: For file names and logs.
        pictures: The pictures of one job.
        file_bytes: The limit for one file.
        prompt_of: What a picture was drawn with, by its index; it becomes the alt text.
        is_spoiler: People see the pictures after a press.
        is_original: The files are to be the PNGs themselves.
    """
    existing, files = await asyncio.to_thread(_read, pictures, file_bytes, is_original=is_original)
    if existing < len(pictures):
        log.warning("pictures gone from disk", job_id=job_id, missing=len(pictures) - existing)
    if len(files) < existing:
        log.warning("pictures too large", job_id=job_id, count=existing - len(files), file_bytes=file_bytes)
    attachments = [
        PictureAttachment(
            f"sugar-{job_id}-{index + 1}.{suffix}", _alt_text(prompt_of(index)), data, is_spoiler
        )
        for index, suffix, data in files
    ]
    return ReadPictures(tuple(attachments), existing - len(files))


def _read(
    pictures: Sequence[PictureFile], file_bytes: int, *, is_original: bool
) -> tuple[int, list[tuple[int, str, bytes]]]:
    """How many of the pictures exist, and index, suffix and content of those that fit."""
    existing = [picture for picture in pictures if picture.path.is_file()]
    limit_bytes = min(file_bytes, REQUEST_BYTES // max(1, len(existing)))
    files = []
    for picture in existing:
        data, suffix = picture.path.read_bytes(), "png"
        if len(data) > limit_bytes and not is_original:
            data, suffix = _compress(data, limit_bytes), "webp"
        if len(data) <= limit_bytes:
            files.append((picture.index, suffix, data))
    return len(existing), files


def _alt_text(prompt: str) -> str:
    """The prompt on one line of printable text."""
    return " ".join("".join(c if c.isprintable() else " " for c in prompt).split())[:ALT_CHARS]


def _compress(png: bytes, limit_bytes: int) -> bytes:
    """The picture as WebP at the best quality that fits, else at the lowest; it keeps settings and marks."""
    with Image.open(io.BytesIO(png)) as picture:
        exif = Image.Exif()
        if settings := picture.info.get("parameters"):
            # Other tools look there for the settings of a WebP.
            comment = b"UNICODE\0" + settings.encode("utf-16-be")
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
        xmp = picture.info.get("xmp", b"")
        for quality in QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "WEBP", quality=quality, exif=exif, xmp=xmp)
            if buffer.tell() <= limit_bytes:
                break
    return buffer.getvalue()
