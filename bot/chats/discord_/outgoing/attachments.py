"""Pictures as files that Discord accepts: the PNG itself, or a WebP of it if the PNG is too large.

A picture that is too large even as WebP is left out; the message then says how to get it.
"""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from PIL import Image

from bot.outcomes import PictureFile

log = structlog.get_logger()
MAX_ATTACHMENTS = 10  # Discord's limit for files of one message
REQUEST_BYTES = 24 * 1024 * 1024  # Discord accepts 25 MiB in one request; the rest is for text and headers
ALT_CHARS = 400  # enough to describe the picture; Discord accepts 1024
QUALITIES = (95, 85, 70)  # of WebP; 95 looks like the original, 70 fits every picture that we can draw
USER_COMMENT = 0x9286  # the Exif field where other tools look for the settings of a WebP
EXIF_IFD = 0x8769


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
    prompt: str,
    file_bytes: int,
    *,
    is_original: bool = False,
) -> ReadPictures:
    """Read the pictures from disk, each within ``file_bytes`` and all within one request.

    Pictures that are no longer on disk are left out. An original is never compressed.
    """
    alt_text = " ".join("".join(c if c.isprintable() else " " for c in prompt).split())[:ALT_CHARS]
    return await asyncio.to_thread(_read, job_id, pictures, alt_text, file_bytes, is_original)


def _read(
    job_id: str, pictures: Sequence[PictureFile], alt_text: str, file_bytes: int, is_original: bool
) -> ReadPictures:
    existing = [picture for picture in pictures if picture.path.is_file()]
    if len(existing) < len(pictures):
        log.warning("pictures gone from disk", job_id=job_id, missing=len(pictures) - len(existing))
    limit_bytes = min(file_bytes, REQUEST_BYTES // max(1, len(existing)))
    attachments = []
    for picture in existing:
        data, suffix = picture.path.read_bytes(), "png"
        if len(data) > limit_bytes and not is_original:
            data, suffix = _compress(data, limit_bytes), "webp"
        if len(data) <= limit_bytes:
            name = f"sugar-{job_id}-{picture.index + 1}.{suffix}"
            attachments.append(PictureAttachment(name, alt_text, data))
    too_large = len(existing) - len(attachments)
    if too_large:
        log.warning("pictures too large", job_id=job_id, count=too_large, limit_bytes=limit_bytes)
    return ReadPictures(tuple(attachments), too_large)


def _compress(png: bytes, limit_bytes: int) -> bytes:
    """The picture as WebP at the best quality that fits, else at the lowest; it keeps settings and marks."""
    with Image.open(io.BytesIO(png)) as picture:
        exif = Image.Exif()
        if settings := picture.info.get("parameters"):
            exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"UNICODE\0" + settings.encode("utf-16-be")
        xmp = picture.info.get("xmp", b"")
        for quality in QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "WEBP", quality=quality, exif=exif, xmp=xmp)
            if buffer.tell() <= limit_bytes:
                break
    return buffer.getvalue()
