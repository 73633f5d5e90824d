"""Reads from the APIs of Discord and Telegram, without their libraries: those log in or take updates."""

from dataclasses import dataclass
from typing import Any

import httpx

from bot.checks.finding import Finding, Level
from bot.errors import PlatformUnreachable, TokenRefused

REQUEST_TIMEOUT_S = 10.0
ABSENT_STATUSES = frozenset({400, 403, 404})  # what was asked for does not exist for this bot


class NotAnswered(Exception):
    """The platform refuses the token or does not answer; ``finding`` says which."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class PlatformApi:
    """The API of one platform, with the bot's token.

    Attributes:
        client: Its base address ends before the method.
        own: The method that describes the bot; a platform that does not know it does not know the token.
    """

    platform: str
    client: httpx.AsyncClient
    own: str

    async def get(self, method: str, **parameters: str) -> Any:
        """Return an answer; None if what is asked for does not exist for this bot.

        Raises:
            NotAnswered: Check no further.
        """
        return (await self.respond(method, **parameters))[0]

    async def respond(self, method: str, **parameters: str) -> tuple[Any, httpx.Headers]:
        """Return an answer and its headers; as ``get``."""
        try:
            response = await self.client.get(method, params=parameters)
        except httpx.HTTPError as error:  # its text may contain the token, as part of the address
            raise self._unreachable(_reason_of(error)) from None
        status = response.status_code
        if status == 401 or (method == self.own and status in ABSENT_STATUSES):
            refused = TokenRefused(platform=self.platform)
            raise NotAnswered(Finding(Level.WRONG, self.platform, "token_refused", {"error": refused}))
        if status in ABSENT_STATUSES:
            return None, response.headers
        try:
            response.raise_for_status()
            return response.json(), response.headers
        except (httpx.HTTPStatusError, ValueError):
            raise self._unreachable(f"HTTP {status}") from None

    def _unreachable(self, detail: str) -> NotAnswered:
        error = PlatformUnreachable(platform=self.platform, detail=detail)
        return NotAnswered(Finding(Level.WRONG, self.platform, "unreachable", {"error": error}))


def _reason_of(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ProxyError():
            return "the proxy does not answer"
        case httpx.TimeoutException():
            return "no answer in time"
        case httpx.ConnectError():
            return "no connection"
        case _:
            return type(error).__name__
