"""Requests, responses and faults of the fake Discord: the HTTP part of it."""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.forms import read_form

PREFIX = "/api/v10"


class Refused(Exception):
    """A response with an error code of Discord."""

    def __init__(self, status: int, code: int, text: str = "refused") -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


@dataclass
class Fault:
    """The next ``times`` requests whose path contains ``part`` get this response instead.

    Attributes:
        after: The request is carried out first; only its answer is lost.
        retry_after_s: For status 429.
        delay_s: Waits before anything else.
    """

    method: str
    part: str
    status: int
    code: int = 0
    times: int = 1
    after: bool = False
    retry_after_s: float = 0.0
    delay_s: float = 0.0


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    files: dict[str, bytes]
    authorization: str


async def read_request(http: web.Request) -> Request:
    body: Any = None
    files: dict[str, bytes] = {}
    if http.content_type == "multipart/form-data":
        fields, uploads = await read_form(http)
        body = json.loads(fields["payload_json"])
        files = {name: content for name, (_, content) in uploads.items()}
    elif http.can_read_body:
        body = json.loads(await http.read())
    return Request(
        http.method,
        http.path.removeprefix(PREFIX),
        dict(http.query),
        body,
        files,
        http.headers.get("Authorization", ""),
    )


def as_json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # discord.py parses JSON only if the content type has no parameters, as Discord sends it
    return web.Response(
        body=json.dumps(data).encode(), status=status, content_type="application/json", headers=headers
    )


def faulty(fault: Fault) -> web.Response:
    body: dict[str, Any] = {"code": fault.code, "message": "a fault of the test"}
    if fault.status != 429:
        return as_json(body, fault.status)
    limited = {"retry_after": fault.retry_after_s, "global": False}
    return as_json(body | limited, 429, {"Via": "1.1 fake", "Retry-After": str(fault.retry_after_s)})
