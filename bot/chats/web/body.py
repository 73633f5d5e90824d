"""Reads a request's body with limits on type, size and time, and validates it."""

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_S = 10.0

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, model: type[Body]) -> Body:
    """The body of a POST as ``model``.

    Raises:
        HTTPException: 415 no JSON, 413 too large, 408 too slow, 400 broken JSON, 422 not the right fields.
    """
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind != "application/json" or "content-encoding" in request.headers:
        raise HTTPException(415)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await _read_limited(request)
    except TimeoutError:
        raise HTTPException(408) from None
    except ClientDisconnect:
        raise HTTPException(400) from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        is_broken = error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid"
        raise HTTPException(400 if is_broken else 422) from None


async def _read_limited(request: Request) -> bytes:
    """The whole body, counted as it arrives: a chunked one has no Content-Length."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413)
    return bytes(body)
