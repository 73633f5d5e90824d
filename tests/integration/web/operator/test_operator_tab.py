"""The operator tab in a browser, on a phone and on a desktop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from bot.commands.values import PauseDrawing
from bot.errors import Draining
from bot.messages.operator import tab_text
from bot.outcomes import ServiceMode
from engine.host.report import WorkerError
from tests.fakes.desk_harness import HOST, a_context
from tests.integration.web.conftest import CHROMIUM, FLAGS, Visitor, open_profile
from tests.integration.web.operator.conftest import (
    NOW_S,
    PASSWORD,
    OperatorPage,
    a_reading,
    open_operator_page,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

PHONE, DESKTOP = (390, 844), (1280, 800)
LOAD = ".chart.load path.line"


@asynccontextmanager
async def open_tab(
    folder: Path, *, locale: str = "en-US", size: tuple[int, int] = DESKTOP
) -> AsyncIterator[tuple[OperatorPage, Visitor]]:
    """Open the login in a browser."""
    async with open_operator_page(folder) as operator, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            async with open_profile(browser, locale=locale, width_px=size[0], height_px=size[1]) as profile:
                visitor = Visitor(await profile.new_page())
                visitor.watch()
                await visitor.page.goto(f"{operator.chat.url}operator")
                yield operator, visitor
        finally:
            await browser.close()


async def log_in(page: Page, password: str = PASSWORD) -> None:
    await page.fill("#password", password)
    await page.press("#password", "Enter")


async def show(page: Page, tab: str) -> None:
    await page.click(f"#tabs a[href$={tab}]")
    await page.wait_for_selector(f"#tab[data-tab={tab}]")


async def test_a_wrong_password_is_refused_and_a_reload_keeps_login_and_tab(tmp_path: Path) -> None:
    async with open_tab(tmp_path) as (operator, visitor):
        page = visitor.page
        await log_in(page, "another one")
        await page.get_by_text(tab_text("wrong_password", "en")).wait_for()
        assert await page.locator("#tabs").count() == 0

        operator.machine.log.add(at="2026-11-29T20:00:00Z", level="warning", event="a warning of a test")
        await log_in(page)
        await page.wait_for_selector("#tabs")
        await show(page, "log")
        await page.reload()

        await page.get_by_text("a warning of a test").wait_for()
        assert await page.get_attribute("#tab", "data-tab") == "log"

        await page.click("#log-out")
        await page.wait_for_selector("#password")
        await page.reload()
        await page.wait_for_selector("#password")
        assert "a warning of a test" not in await page.inner_text("body")


async def test_the_charts_move_while_one_looks(tmp_path: Path) -> None:
    async with open_tab(tmp_path) as (operator, visitor):
        page = visitor.page
        await log_in(page)
        before = await page.get_attribute(LOAD, "d")

        operator.machine.readings.append(a_reading(121))

        await page.wait_for_function(
            "([path, d]) => document.querySelector(path).getAttribute('d') !== d", arg=[LOAD, before]
        )
        operator.machine.worker_errors.append(WorkerError(NOW_S, "the worker was lost in a test"))
        await page.get_by_text("the worker was lost in a test").wait_for()
        assert visitor.browser_errors == visitor.foreign_requests == []


async def test_a_drain_takes_no_new_requests_until_the_operator_goes_on(tmp_path: Path) -> None:
    async with open_tab(tmp_path) as (operator, visitor):
        page, pausing = visitor.page, operator.harness.desk.parts.pausing
        await log_in(page)
        await page.get_by_role("button", name="Drain").click()
        await page.fill("#ask-reason", "a new card")
        await page.click("#ask-no")
        assert pausing.now.mode is ServiceMode.OPEN

        await page.get_by_role("button", name="Drain").click()
        assert await page.input_value("#ask-reason") == ""
        await page.fill("#ask-reason", "a new card")
        await page.press("#ask-reason", "Enter")
        await page.locator(".decided", has_text="a new card").wait_for()
        assert pausing.now.mode is ServiceMode.DRAINING
        assert "refuse new requests" in await page.inner_text("#notice")
        with pytest.raises(Draining):
            await operator.harness.accept()

        await page.reload()
        await page.locator(".decided", has_text="a new card").wait_for()
        await page.get_by_role("button", name="Go on").click()
        await page.locator(".decided").wait_for(state="detached")
        assert pausing.now.mode is ServiceMode.OPEN
        await operator.harness.accept("2")
        assert visitor.browser_errors == []


async def test_a_waiting_job_is_cancelled_with_its_button(tmp_path: Path) -> None:
    async with open_tab(tmp_path) as (operator, visitor):
        page, harness = visitor.page, operator.harness
        await harness.desk.handle(PauseDrawing(), a_context("pause", HOST))
        await log_in(page)
        await page.wait_for_selector("#tabs")
        receipt = await harness.accept(prompt="a face to cancel")
        row = page.locator(".row", has_text="a face to cancel")

        await row.get_by_role("button", name="Cancel").click()
        assert receipt.job_id in await page.inner_text("#ask-question")
        await page.click("#ask-yes")

        await row.wait_for(state="detached")
        assert (await harness.job(receipt.job_id)).state == "cancelled"


async def test_a_person_is_found_and_excluded(tmp_path: Path) -> None:
    async with open_tab(tmp_path, size=PHONE) as (operator, visitor):
        page, harness = visitor.page, operator.harness
        for event, user_id in (("1", "ann"), ("2", "bob")):
            await harness.accept(event, user_id)
        await log_in(page)
        await page.wait_for_selector("#tabs")
        await show(page, "people")
        assert await page.locator(".row").count() == 2

        await page.fill("#search", "bob")
        await page.press("#search", "Enter")
        await page.wait_for_function("() => document.querySelectorAll('.row').length === 1")
        await page.reload()
        assert await page.input_value("#search") == "bob"

        await page.get_by_role("button", name="Exclude").click()
        await page.fill("#ask-duration", "7d")
        await page.fill("#ask-reason", "spam")
        await page.click("#ask-yes")

        await page.locator(".row.banned", has_text="spam").wait_for()
        assert set(harness.desk.parts.rules.now.bans) == {"console:bob"}
        await show(page, "audit")
        await page.get_by_text("excluded a person").wait_for()


async def test_the_log_shows_the_chosen_level_also_after_a_reload(tmp_path: Path) -> None:
    async with open_tab(tmp_path) as (operator, visitor):
        page, log = visitor.page, operator.machine.log
        for level in ("info", "warning", "error"):
            log.add(at="2026-11-29T20:00:00Z", level=level, event=f"an event of level {level}")
        await log_in(page)
        await page.wait_for_selector("#tabs")
        await show(page, "log")
        assert await shown_levels(page) == ["error", "warning", "info"]

        await page.select_option("#level", "warning")
        assert await shown_levels(page) == ["error", "warning"]
        await page.reload()
        assert await shown_levels(page) == ["error", "warning"]

        log.add(at="2026-11-29T20:00:01Z", level="info", event="a later event")
        log.add(at="2026-11-29T20:00:02Z", level="error", event="a later <b>error</b>")
        await page.get_by_text("a later <b>error</b>").wait_for()
        assert await shown_levels(page) == ["error", "error", "warning"]


async def test_previews_of_loras_appear_one_after_the_other(tmp_path: Path) -> None:
    async with open_tab(tmp_path) as (_, visitor):
        page = visitor.page
        await log_in(page)
        await page.wait_for_selector("#tabs")
        await show(page, "loras")
        await page.locator(".card img:visible").nth(1).wait_for()
        widths = await page.locator(".card img").evaluate_all("all => all.map(image => image.naturalWidth)")
        assert len(widths) == 2
        assert min(widths) > 0


async def shown_levels(page: Page) -> list[str]:
    shown: list[str] = await page.locator(".event:visible").evaluate_all(
        "events => events.map(event => event.className.split(' ')[1])"
    )
    return shown


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("browser_locale", "locale"), [("en-US", "en"), ("zh-CN", "zh-CN"), ("zh-TW", "zh-TW")]
)
async def test_every_tab_fits_its_window_in_every_language(
    size: tuple[int, int], browser_locale: str, locale: str, tmp_path: Path
) -> None:
    async with open_tab(tmp_path, locale=browser_locale, size=size) as (operator, visitor):
        page = visitor.page
        operator.machine.log.add(at="2026-11-29T20:00:00Z", level="error", event="e" * 300, trace="t " * 300)
        await log_in(page)
        await page.wait_for_selector("#tabs")
        links = await page.locator("#tabs a").evaluate_all("all => all.map(link => link.href)")
        for link in links:
            await page.goto(link)
            await page.wait_for_selector(".part h2")
            too_wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert too_wide <= 0, link
            assert await page.inner_text("h1") == tab_text("operator", locale)
        assert visitor.browser_errors == visitor.foreign_requests == []
