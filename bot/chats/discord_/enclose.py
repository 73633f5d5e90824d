"""Pictures as files that Discord takes: the PNG itself, or a WebP of it where the PNG is too large."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from PIL import Image

from bot.outcomes import PictureFile

log = structlog.get_logger()
REQUEST_BYTES = 24 * 1024 * 1024  # Discord takes 25 MiB in one request; the rest is for text and headers
QUALITIES = (95, 85, 70)  # of WebP; 95 is hard to tell from the original, 70 fits whatever we can draw
USER_COMMENT = 0x9286  # the Exif field where other tools look for a WebP's settings
EXIF_IFD = 0x8769


@dataclass(frozen=True, slots=True)
class Enclosure:
    """One file of a message; ``alt`` is read out to people who cannot see it."""

    name: str
    alt: str
    data: bytes = field(repr=False)


def enclose(job_id: str, pictures: Sequence[PictureFile], alt: str, file_bytes: int) -> tuple[Enclosure, ...]:
    """Read the pictures, each no larger than ``file_bytes`` and all together within one request.

    Pictures that are no longer on disk are left out. Blocking: call it in a thread.
    """
    there = [picture for picture in pictures if picture.path.is_file()]
    if len(there) < len(pictures):
        log.warning("pictures gone from disk", job_id=job_id, missing=len(pictures) - len(there))
    share_bytes = min(file_bytes, REQUEST_BYTES // max(1, len(there)))
    return tuple(_enclosure(job_id, picture, alt, share_bytes) for picture in there)


def _enclosure(job_id: str, picture: PictureFile, alt: str, most_bytes: int) -> Enclosure:
    data, suffix = picture.path.read_bytes(), "png"
    if len(data) > most_bytes:
        data, suffix = _smaller(data, most_bytes), "webp"
    return Enclosure(f"sugar-{job_id}-{picture.index + 1}.{suffix}", alt, data)


def _smaller(png: bytes, most_bytes: int) -> bytes:
    """The picture as WebP at the best quality that fits, else the lowest; settings and marks stay in it."""
    with Image.open(io.BytesIO(png)) as picture:
        exif = Image.Exif()
        if settings := picture.info.get("parameters"):
            exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"UNICODE\0" + settings.encode("utf-16-be")
        xmp = picture.info.get("xmp", b"")
        for quality in QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "WEBP", quality=quality, exif=exif, xmp=xmp)
            if buffer.tell() <= most_bytes:
                break
    return buffer.getvalue()
