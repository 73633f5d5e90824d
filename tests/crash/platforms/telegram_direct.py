"""python-telegram-bot without sockets: its requests call the fake server directly.

For clocks that jump, and for thousands of requests.
"""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from telegram.request import BaseRequest, RequestData

from tests.fakes.telegram_server import Call, TelegramServer


class DirectRequest(BaseRequest):
    """Replaces ``HTTPXRequest``."""

    def __init__(self, server: TelegramServer) -> None:
        self._server = server

    @property
    def read_timeout(self) -> float | None:
        return 5.0

    async def initialize(self) -> None:
        pass

    async def shutdown(self) -> None:
        pass

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: Any, **__: Any
    ) -> tuple[int, bytes]:
        parts = urlsplit(url)
        params, files = dict(parse_qsl(parts.query)), {}
        if request_data is not None:
            params |= request_data.json_parameters
            files = {name: (part[0], _read(part[1])) for name, part in request_data.multipart_data.items()}
        call = Call(parts.path.rsplit("/", 1)[-1], params, files, asyncio.get_running_loop().time())
        try:
            status, body = await self._server.answer(call)
        except (ValueError, LookupError, TypeError):  # an impossible chat id
            return 400, b'{"ok": false, "error_code": 400, "description": "Bad Request: malformed"}'
        return status, json.dumps(body).encode()


def _read(content: Any) -> bytes:
    return content if isinstance(content, bytes) else bytes(content.read())
