"""Sessions of the page in browsers: reloads, tabs, restarts, other sites."""

import pytest

from bot.chats.web import WebChat
from bot.messages.page import page_text
from tests.fakes.desk_harness import until
from tests.integration.web.conftest import (
    CARD,
    Application,
    Visitor,
    open_page_as_visitor,
    open_profile,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_pictures_of_a_closed_page_are_there_when_it_opens_again(application: Application) -> None:
    async with open_profile(application.browser) as profile:
        with application.renderer.held():
            async with open_page_as_visitor(application, profile=profile) as leaving:
                await leaving.say("a face for later")
                await leaving.page.locator("[data-state=running]").wait_for()

        async with open_page_as_visitor(application, profile=profile) as back:
            await back.page.locator("[data-state=done] img").wait_for()
            assert all(width > 0 for width in await back.widths())


async def test_another_browser_finds_the_picture_with_mine(
    application: Application, visitor: Visitor
) -> None:
    async with open_page_as_visitor(application) as drawing:
        await drawing.say("a face for both")
        await drawing.pictures.first.wait_for()

    await visitor.say("/mine")

    await visitor.page.locator(".job", has_text="a face for both").locator("img").wait_for()
    assert all(width > 0 for width in await visitor.widths())


async def test_a_reload_keeps_conversation_job_default_and_language(application: Application) -> None:
    async with (
        open_profile(application.browser) as profile,
        open_page_as_visitor(application, profile=profile) as visitor,
    ):
        async with visitor.page.expect_navigation():  # a new language loads the page again
            await visitor.page.get_by_text("简体", exact=True).click()
        await visitor.page.get_by_text(page_text("welcome", "zh-CN")).wait_for()
        await visitor.say("/lora switch anime")
        await visitor.answer()
        with application.renderer.held():
            await visitor.say("a face over a reload")
            await visitor.page.locator("[data-state=running]").wait_for()
            await visitor.page.fill("#input", "not yet sent")
            await visitor.page.reload()
            await visitor.page.locator("[data-state=running]").wait_for()

        assert await visitor.page.input_value("#input") == "not yet sent"
        assert await visitor.page.evaluate("document.documentElement.lang") == "zh-CN"
        assert "/lora switch anime" in await visitor.page.locator(".message.person").first.inner_text()
        await visitor.page.locator("[data-state=done] img").wait_for()
        await visitor.page.locator("#panel").get_by_text("anime", exact=True).wait_for()
        assert visitor.browser_errors == []


async def test_settings_change_the_language_of_the_whole_page_and_bring_it_back(
    application: Application,
) -> None:
    async with (
        open_profile(application.browser, locale="zh-CN") as profile,
        open_page_as_visitor(application, profile=profile) as visitor,
        open_page_as_visitor(application, profile=profile) as other_tab,
    ):
        box = visitor.page.locator("#input")
        await visitor.say("/settings --language english")
        await visitor.page.locator("html[lang=en]").wait_for()
        assert await box.get_attribute("placeholder") == page_text("placeholder", "en")
        assert await box.input_value() == ""
        await other_tab.page.locator("html[lang=en]").wait_for()
        async with (
            open_profile(application.browser, locale="zh-CN") as later,
            open_page_as_visitor(application, profile=later) as again,
        ):
            assert await again.page.evaluate("document.documentElement.lang") == "en"

        await visitor.say("/settings --language auto")
        await visitor.page.locator("html[lang=zh-CN]").wait_for()
        assert await box.get_attribute("placeholder") == page_text("placeholder", "zh-CN")
        assert visitor.browser_errors == []


async def test_two_tabs_show_the_same_conversation(application: Application) -> None:
    async with (
        open_profile(application.browser) as profile,
        open_page_as_visitor(application, profile=profile) as one,
        open_page_as_visitor(application, profile=profile) as other,
    ):
        await one.say("/quota")

        assert "You need no credits here" in await other.answer()


async def test_the_page_connects_again_after_the_bot_was_restarted(application: Application) -> None:
    first = WebChat(application.harness.desk, card=lambda: CARD, host="127.0.0.1", port=0)
    await first.open()
    async with open_page_as_visitor(application, url=first.url) as visitor:
        port = int(first.url.rstrip("/").rsplit(":", 1)[1])
        await visitor.say("a face before the restart")
        await until(lambda: not application.harness.desk.queue_status().drawing)
        await first.close()
        await visitor.page.get_by_text(page_text("lost", "en")).wait_for()
        await visitor.page.fill("#input", "/quota")
        await visitor.page.press("#input", "Enter")
        await visitor.page.get_by_text(page_text("unsent", "en")).wait_for()
        assert await visitor.page.input_value("#input") == "/quota"

        second = WebChat(application.harness.desk, card=lambda: CARD, host="127.0.0.1", port=port)
        await second.open()
        try:
            await visitor.page.locator(".job", has_text="a face before the restart").locator("img").wait_for()
            await visitor.say("/quota")
            await visitor.page.get_by_text("You need no credits here").wait_for()
        finally:
            await second.close()


async def open_another_site(visitor: Visitor, body: str) -> None:
    """Open a page of a foreign server, which the browser treats as another site."""
    url = "http://elsewhere.test/"
    await visitor.page.route(url, lambda route: route.fulfill(body=body, content_type="text/html"))
    await visitor.page.goto(url)


async def test_a_link_of_another_site_opens_the_same_session(application: Application) -> None:
    async with (
        open_profile(application.browser) as profile,
        open_page_as_visitor(application, profile=profile) as visitor,
    ):
        await visitor.say("/quota")
        await visitor.answer()
        await open_another_site(visitor, f"<a href='{application.chat.url}'>to the page</a>")

        await visitor.page.get_by_text("to the page").click()

        assert "You need no credits here" in await visitor.answer()


async def test_a_page_of_another_site_can_neither_read_nor_act(
    application: Application, visitor: Visitor
) -> None:
    drawn = len(application.renderer.requests)
    await open_another_site(visitor, "<p>hello")
    attack = """async (url) => {
        const tried = [];
        const body = '{"text": "a face"}';
        const post = (kind) => ({method: "POST", headers: {"Content-Type": kind}, body});
        const requests = [["say", post("application/json")], ["say", post("text/plain")], ["events"], [""]];
        for (const [path, options] of requests) {
            for (const mode of ["cors", "no-cors"])
                tried.push(await fetch(url + path, {...options, mode, credentials: "include"})
                    .then((answer) => answer.text(), () => "refused"));
        }
        const form = await new Promise((done) => {
            const frame = document.createElement("iframe");
            frame.onload = () => done(frame.contentDocument?.body.innerText ?? "closed");
            frame.src = url;
            document.body.append(frame);
        });
        return [...tried, form];
    }"""

    seen = await visitor.page.evaluate(attack, application.chat.url)

    assert set(seen) <= {"refused", "", "closed"}
    assert len(application.renderer.requests) == drawn


async def test_a_picture_is_shown_to_its_own_session_only(application: Application, visitor: Visitor) -> None:
    await visitor.say("a private face")
    await visitor.pictures.first.wait_for()
    source = await visitor.pictures.first.evaluate("image => image.src")

    async def status(who: Visitor, url: str, **headers: str) -> int:
        return (await who.page.request.get(url, headers=headers)).status

    assert await status(visitor, source) == 200
    assert await status(visitor, source.replace("0.png", "9.png")) == 404
    assert await status(visitor, source, Host="evil.example") == 400
    async with open_page_as_visitor(application) as another:
        assert await status(another, source) == 404


async def test_the_browser_itself_refuses_other_machines(application: Application, visitor: Visitor) -> None:
    answer = await visitor.page.request.get(application.chat.url)
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    failed = "() => fetch('http://127.0.0.2:9/').then(() => 'sent', error => String(error))"
    assert "Failed to fetch" in await visitor.page.evaluate(failed)
    assert any("Content Security Policy" in complaint for complaint in visitor.browser_errors)
