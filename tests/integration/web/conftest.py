"""One bot with a real desk, a real page and a real browser for all tests of the folder.

Each visitor has a separate browser profile, cookie, session and chat.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    ViewportSize,
    async_playwright,
)

from bot.chats.web import CardPanel, WebChat
from bot.policy.rules import Rules
from engine.request import RenderRequest
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.renderer import SteppedRenderer

GIB = 2**30
STEP_S = 0.06
WAIT_MS = 60_000  # for what takes no second: the machine may be busy
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox",  # the tests may run as root, where Chromium's sandbox refuses to start
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CARD = CardPanel("A card of a test", 9 * GIB, 3 * GIB, 12 * GIB, 2, "abc", 5, 8, "sugar")


@dataclass
class Application:
    """The page with the desk behind it."""

    harness: DeskHarness
    chat: WebChat
    browser: Browser

    @property
    def renderer(self) -> SteppedRenderer:
        assert isinstance(self.harness.renderer, SteppedRenderer)
        return self.harness.renderer

    @property
    def last_request(self) -> RenderRequest:
        return self.renderer.requests[-1]


@dataclass
class Visitor:
    """A person in front of an open page.

    Attributes:
        foreign_requests: The requests to other machines.
        browser_errors: The errors that the browser reported.
    """

    page: Page
    foreign_requests: list[str] = field(default_factory=list)
    browser_errors: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Start to record requests and errors."""
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.browser_errors.append(str(error)))

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.foreign_requests.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.browser_errors.append(message.text)

    async def say(self, text: str) -> None:
        """Type a message and send it; return when the page has sent it."""
        async with self.page.expect_response("**/say"):
            await self.page.fill("#input", text)
            await self.page.press("#input", "Enter")

    @property
    def answers(self) -> Locator:
        """The bubbles of the bot."""
        return self.page.locator(".message:not(.person)")

    @property
    def pictures(self) -> Locator:
        return self.page.locator(".pictures img")

    async def until_pictures(self, count: int) -> None:
        """Wait until the page shows exactly so many pictures."""
        await self.page.wait_for_function(
            "count => document.querySelectorAll('.pictures img').length === count", arg=count
        )

    async def widths(self) -> list[int]:
        """Wait until all pictures are decoded; return their widths."""
        found: list[int] = await self.pictures.evaluate_all(
            "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
        )
        return found

    async def answer(self) -> str:
        """Wait for an answer; return the text of the newest one."""
        await self.answers.last.wait_for()
        return await self.answers.last.inner_text()


@asynccontextmanager
async def open_page_as_visitor(
    application: Application, *, profile: BrowserContext | None = None, url: str = ""
) -> AsyncIterator[Visitor]:
    """Open the page, by default in a new profile."""
    async with AsyncExitStack() as stack:
        profile = profile or await stack.enter_async_context(open_profile(application.browser))
        visitor = Visitor(await profile.new_page())
        visitor.watch()
        try:
            async with visitor.page.expect_request("**/events"):
                await visitor.page.goto(url or application.chat.url)
            yield visitor
        finally:
            await visitor.page.close()


@asynccontextmanager
async def open_profile(
    browser: Browser, *, locale: str = "en-US", width_px: int = 1280, height_px: int = 800
) -> AsyncIterator[BrowserContext]:
    """A browser with this language and size; its pages share a cache."""
    size: ViewportSize = {"width": width_px, "height": height_px}
    profile = await browser.new_context(locale=locale, viewport=size)
    profile.set_default_timeout(WAIT_MS)
    try:
        yield profile
    finally:
        await profile.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; install the package chromium to drive the page")
    folder: Path = tmp_path_factory.mktemp("application")
    rules = Rules(daily_credits=1_000)
    async with open_harness(
        folder, renderer=SteppedRenderer(step_s=STEP_S), rules=rules, default_lora="sugar"
    ) as harness:
        chat = WebChat(harness.desk, card=lambda: CARD, host="127.0.0.1", port=0)
        harness.chat = chat
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            try:
                async with harness.running():
                    await chat.open()
                    yield Application(harness, chat, browser)
            finally:
                await browser.close()
                await chat.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(application: Application) -> AsyncIterator[Visitor]:
    async with open_page_as_visitor(application) as visitor:
        yield visitor
