"""Request bodies: reads them with limits on type, size and time, and validates them strictly.

There is one frozen model for each body, with plain values only. pydantic refuses other types, unknown fields,
NaN and lone surrogates before any other code sees them.
"""

import asyncio
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from bot.chats.web.desk_client import DrawOptions
from bot.commands.text import BIDI_OVERRIDES
from bot.commands.values import MAX_COUNT, MAX_WEIGHT, Ratio
from bot.errors import NotAPicture, PictureTooLarge
from bot.messages import LOCALES
from bot.uploads import MAX_PICTURE_BYTES
from engine.shelf.names import MAX_NAME

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_S = 10.0
MAX_TEXT_CHARS = 4_000  # a prompt has at most 800, and its refusal names the real length
MAX_PRESS_CHARS = 64
PICTURE_TYPES = frozenset(
    {"image/png", "image/webp", "image/jpeg"}
)  # a form cannot send them from another site
PICTURE_TIMEOUT_S = 60.0
SHAPES = ("1:1", "2:3", "3:2", "9:16")

Body = TypeVar("Body", bound=BaseModel)

_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\t"), ord("\n")}
_CLEANED = str.maketrans(dict.fromkeys(_CONTROLS, " ") | dict.fromkeys(BIDI_OVERRIDES, ""))


def replace_control_characters(text: str) -> str:
    """Replace control characters other than tab and line feed by spaces, and remove bidi overrides."""
    return text.translate(_CLEANED)


def _known_shape(shape: str) -> str:
    if shape and shape not in SHAPES:
        raise ValueError("not a shape")
    return shape


def _known_locale(locale: str) -> str:
    if locale not in LOCALES:
        raise ValueError("not a language of ours")
    return locale


class StrictBody(BaseModel):
    """A body with exactly these fields, of exactly these types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class SayBody(StrictBody):
    """A message and the controls beside it; an empty ``shape`` means the model's own.

    ``edits`` is the job whose text the person changed; empty for a text of their own.
    """

    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(replace_control_characters)]
    lora: Annotated[str, Field(max_length=MAX_NAME)] = ""
    weight: Annotated[float, Field(ge=0, le=MAX_WEIGHT, allow_inf_nan=False)] | None = None
    shape: Annotated[str, AfterValidator(_known_shape)] = ""
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1
    edits: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,40}$")] = ""

    @property
    def options(self) -> DrawOptions:
        """The values of the controls; a weight counts only with a named LoRA."""
        weight = self.weight if self.lora not in ("", "none") else None
        ratio = Ratio(*map(int, self.shape.split(":"))) if self.shape else None
        return DrawOptions(self.lora, weight, ratio, self.count)


class PressBody(StrictBody):
    """The data of a pressed button."""

    press: Annotated[str, Field(max_length=MAX_PRESS_CHARS)]


class LanguageBody(StrictBody):
    """The new language of the page."""

    locale: Annotated[str, AfterValidator(_known_locale)]


async def read_body(request: Request, model: type[Body]) -> Body:
    """Read and validate the body of a POST.

    Raises:
        HTTPException: 415 no JSON, 413 too large or a text that is too long, 408 too slow, 400 invalid JSON,
            422 wrong fields.
    """
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != "application/json" or "content-encoding" in request.headers:
        raise HTTPException(415)
    body = await _read_limited(request, MAX_BODY_BYTES, BODY_TIMEOUT_S)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = [(each["type"], each["loc"]) for each in error.errors(include_url=False, include_input=False)]
        if found == [("string_too_long", ("text",))]:
            raise HTTPException(413) from None
        raise HTTPException(400 if found[0][0] == "json_invalid" else 422) from None


async def read_picture(request: Request) -> bytes:
    """Read a picture file that is the body of a POST; what it holds is checked later.

    Raises:
        HTTPException: 415 no picture, 413 too large, 408 too slow, 400 broken off. The cause of the first two
            is the error whose sentence the person reads.
    """
    kind = request.headers.get("content-type", "").strip().lower()
    if kind not in PICTURE_TYPES or "content-encoding" in request.headers:
        raise HTTPException(415) from NotAPicture()
    try:
        return await _read_limited(request, MAX_PICTURE_BYTES, PICTURE_TIMEOUT_S)
    except HTTPException as error:
        if error.status_code == 413:
            raise error from PictureTooLarge(limit_bytes=MAX_PICTURE_BYTES)
        raise


async def _read_limited(request: Request, limit_bytes: int, timeout_s: float) -> bytes:
    """Read the whole body and count its bytes, because a chunked body has no Content-Length.

    Raises:
        HTTPException: 413 too large, 408 too slow, 400 broken off.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    except ClientDisconnect:
        raise HTTPException(400) from None
    return bytes(body)
