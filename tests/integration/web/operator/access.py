"""A client of the page that keeps cookies as a browser does, without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration.web.operator.conftest import PASSWORD, OperatorPage, open_operator_page


@dataclass
class Browser:
    """A client that keeps cookies and sends the headers of a browser on our own page."""

    page: OperatorPage
    http: httpx.AsyncClient

    async def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        own = self.page.chat.url.rstrip("/")
        return await self.http.post(path, json=body, headers={"Origin": own} | headers)

    async def log_in(self, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/operator/login", {"password": password})

    async def say(self, text: str) -> str:
        """Send a message; return the page with its answer."""
        assert (await self.post("/say", {"text": text})).status_code == 204
        return (await self.http.get("/")).text

    async def events_status(self, path: str = "/operator/events") -> int:
        async with self.http.stream("GET", path) as answer:
            return answer.status_code


@asynccontextmanager
async def open_browser(page: OperatorPage) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(base_url=page.chat.url, trust_env=False, timeout=60) as http:
        browser = Browser(page, http)
        await http.get("/")
        yield browser


@asynccontextmanager
async def a_browser(folder: Path, *, password: str = PASSWORD) -> AsyncIterator[Browser]:
    async with open_operator_page(folder, password=password) as page, open_browser(page) as browser:
        yield browser
