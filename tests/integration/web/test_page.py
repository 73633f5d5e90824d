"""The page in a browser, with a real desk and store behind it."""

from collections.abc import AsyncIterator

import pytest

from bot.chats.web import WebChat
from bot.messages.page import page_text
from engine.request import RenderRequest
from tests.fakes.desk_harness import until
from tests.integration.web.conftest import (
    CARD,
    STEP_S,
    Application,
    Visitor,
    open_page_as_visitor,
    open_profile,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKUP_TEXT = (
    '<img src=x onerror="window.hit=1"><script>window.hit=2</script> '
    "**bold** [a](javascript:hit) ${hit} {{hit}} `${window.hit=3}`"
)


def last_request(application: Application) -> RenderRequest:
    return application.renderer.requests[-1]


async def widths(visitor: Visitor) -> list[int]:
    found: list[int] = await visitor.pictures.evaluate_all(
        "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
    )
    return found


async def test_the_page_loads_completely_and_requests_nothing_from_other_machines(visitor: Visitor) -> None:
    await visitor.page.wait_for_timeout(2_000)  # until the panel was updated

    assert visitor.foreign_requests == []
    assert visitor.browser_errors == []
    assert await visitor.page.title() == "Sugarbot"


async def test_a_prompt_shows_its_progress_and_then_its_picture(
    application: Application, visitor: Visitor
) -> None:
    await visitor.say("a smiling face")

    await visitor.page.locator("#conversation progress").wait_for()
    assert "a smiling face" in await visitor.page.locator(".message.person").inner_text()
    await visitor.pictures.first.wait_for()

    assert all(width > 0 for width in await widths(visitor))
    assert "128 × 128" in await visitor.answer()
    assert await visitor.page.locator("#conversation progress").count() == 0
    assert visitor.foreign_requests == visitor.browser_errors == []
    assert "a smiling face" in last_request(application).prompt


async def test_the_bar_moves_with_the_steps(application: Application, visitor: Visitor) -> None:
    application.renderer.step_s = 0.3
    try:
        await visitor.say("a slow face")
        seen = {percent async for percent in percents(visitor)}
    finally:
        application.renderer.step_s = STEP_S

    assert len(seen) >= 3
    assert max(seen) <= 100


async def percents(visitor: Visitor) -> AsyncIterator[int]:
    while await visitor.pictures.count() == 0:
        # In one call: the bar may leave the page between two.
        bars = visitor.page.locator("#conversation progress")
        for percent in await bars.evaluate_all("bars => bars.map(bar => bar.value)"):
            yield int(percent)
        await visitor.page.wait_for_timeout(100)


async def test_commands_are_answered_in_the_conversation(visitor: Visitor) -> None:
    await visitor.say("/quota")
    await visitor.answers.nth(0).wait_for()
    assert "Credits left" in await visitor.answer()

    await visitor.say("/lora list")
    answer = await visitor.answers.nth(1).inner_text()
    assert "sugar" in answer
    assert "anime" in answer


async def test_a_switch_of_the_default_affects_this_page_only(
    application: Application, visitor: Visitor
) -> None:
    await visitor.say("/lora switch anime")
    assert "anime" in await visitor.answer()
    await visitor.say("one face")
    await visitor.pictures.first.wait_for()
    assert [lora.name for lora in last_request(application).loras] == ["anime"]

    async with open_page_as_visitor(application) as another:
        await another.say("another face")
        await another.pictures.first.wait_for()
    assert [lora.name for lora in last_request(application).loras] == ["sugar"]


async def test_a_bad_size_is_explained_and_draws_nothing(application: Application, visitor: Visitor) -> None:
    drawn = len(application.renderer.requests)

    await visitor.say("a face --size 7x9999x")

    assert "is not a size" in await visitor.answer()
    assert await visitor.page.locator(".message.refusal").count() == 1
    assert len(application.renderer.requests) == drawn


async def test_an_empty_message_is_answered(visitor: Visitor) -> None:
    await visitor.page.click("#send")

    assert "What should I draw?" in await visitor.answer()


async def test_cancel_stops_a_running_job(application: Application, visitor: Visitor) -> None:
    application.renderer.step_s = 0.5
    try:
        await visitor.say("a face nobody wants")
        await visitor.page.locator("[data-state=running]").wait_for()
        await visitor.page.get_by_role("button", name="Cancel").click()
        await visitor.page.locator("[data-state=cancelled]").wait_for()
    finally:
        application.renderer.step_s = STEP_S

    assert "Cancelled" in await visitor.page.locator("[data-state=cancelled]").inner_text()
    assert await visitor.pictures.count() == 0


async def test_reroll_draws_a_second_picture_with_another_seed(
    application: Application, visitor: Visitor
) -> None:
    await visitor.say("a face")
    await visitor.pictures.nth(0).wait_for()
    first = last_request(application)

    await visitor.page.get_by_role("button", name="Reroll").click()
    await visitor.pictures.nth(1).wait_for()

    again = last_request(application)
    assert again.prompt == first.prompt
    assert again.seed != first.seed
    assert all(width > 0 for width in await widths(visitor))


async def test_two_jobs_of_one_page_both_arrive(visitor: Visitor) -> None:
    await visitor.say("first face")
    await visitor.say("second face")

    await visitor.pictures.nth(1).wait_for()
    assert await visitor.page.locator("[data-state=done]").count() == 2


async def test_a_chinese_browser_reads_chinese_and_may_switch(application: Application) -> None:
    async with (
        open_profile(application.browser, locale="zh-CN") as profile,
        open_page_as_visitor(application, profile=profile) as visitor,
    ):
        welcome = visitor.page.locator(".welcome h2")
        assert await welcome.inner_text() == page_text("welcome", "zh-CN") != page_text("welcome", "en")
        assert await visitor.page.get_attribute("#input", "placeholder") == page_text("placeholder", "zh-CN")
        assert await visitor.page.evaluate("document.documentElement.lang") == "zh-CN"

        await visitor.page.get_by_text("English", exact=True).click()
        await visitor.page.get_by_text(page_text("welcome", "en")).wait_for()


async def test_an_english_browser_reads_english_and_no_chinese_but_its_name(visitor: Visitor) -> None:
    assert await visitor.page.locator(".welcome h2").inner_text() == page_text("welcome", "en")
    text = (await visitor.page.locator("body").inner_text()).replace("中文", "")
    assert not [char for char in text if "\u4e00" <= char <= "\u9fff"]


async def test_markup_in_a_message_stays_text(visitor: Visitor) -> None:
    await visitor.say(MARKUP_TEXT)
    await visitor.pictures.first.wait_for()
    await visitor.say("/mine")
    await visitor.page.locator(".job").first.wait_for()

    assert await visitor.page.locator(".message.person").first.inner_text() == MARKUP_TEXT
    assert await visitor.page.evaluate("window.hit") is None
    assert await visitor.page.locator("#conversation :is(script, strong, [onerror], img[src=x])").count() == 0
    assert await visitor.page.locator("#conversation a[href^=javascript]").count() == 0


async def test_the_panel_shows_the_card_in_numbers(visitor: Visitor) -> None:
    panel = await visitor.page.locator("#panel").inner_text()

    for fact in (
        "A card of a test",
        "9.0 of 12.0 GiB",
        "3.0 GiB",
        "a test says so",
        "5 of 8",
    ):
        assert fact in panel
    assert CARD.drawing not in panel  # a job's id means nothing to people


async def test_the_panel_shows_the_title_of_this_chat_s_default(
    application: Application, visitor: Visitor
) -> None:
    panel = visitor.page.locator("#panel")
    await panel.get_by_text("Sugar face", exact=True).wait_for()

    await visitor.say("/lora switch anime")

    await panel.get_by_text("anime", exact=True).wait_for()
    async with open_page_as_visitor(application) as another:
        await another.page.locator("#panel").get_by_text("Sugar face", exact=True).wait_for()


async def test_controls_add_to_a_plain_prompt(application: Application, visitor: Visitor) -> None:
    await visitor.page.click("#options summary")
    await visitor.page.select_option("#lora", label="anime")
    await visitor.page.locator("#shape").get_by_text("2:3", exact=True).click()
    await visitor.page.locator("#count").get_by_text("2", exact=True).click()
    await visitor.say("two faces")
    await visitor.pictures.nth(1).wait_for()

    requests = last_request(application)
    assert [lora.name for lora in requests.loras] == ["anime"]
    assert requests.count == 2
    assert requests.width_px < requests.height_px


async def test_a_click_on_an_example_fills_the_text_box(visitor: Visitor) -> None:
    example = visitor.page.locator(".example").first

    await example.click()

    assert await visitor.page.input_value("#input") == await example.inner_text()


async def test_pictures_of_a_closed_page_are_there_when_it_opens_again(application: Application) -> None:
    async with open_profile(application.browser) as profile:
        async with open_page_as_visitor(application, profile=profile) as leaving:
            await leaving.say("a face for later")
            await leaving.page.locator("[data-state=running]").wait_for()

        async with open_page_as_visitor(application, profile=profile) as back:
            await back.page.locator("[data-state=done] img").wait_for()
            assert all(width > 0 for width in await widths(back))


async def test_another_browser_finds_the_picture_with_mine(
    application: Application, visitor: Visitor
) -> None:
    async with open_page_as_visitor(application) as drawing:
        await drawing.say("a face for both")
        await drawing.pictures.first.wait_for()

    await visitor.say("/mine")

    await visitor.page.locator(".job", has_text="a face for both").locator("img").wait_for()
    assert all(width > 0 for width in await widths(visitor))


async def test_a_reload_keeps_conversation_job_default_and_language(application: Application) -> None:
    async with (
        open_profile(application.browser) as profile,
        open_page_as_visitor(application, profile=profile) as visitor,
    ):
        async with visitor.page.expect_navigation():  # a new language loads the page again
            await visitor.page.get_by_text("中文", exact=True).click()
        await visitor.page.get_by_text(page_text("welcome", "zh-CN")).wait_for()
        await visitor.say("/lora switch anime")
        await visitor.answer()
        application.renderer.step_s = 0.2
        try:
            await visitor.say("a face over a reload")
            await visitor.page.locator("[data-state=running]").wait_for()
            await visitor.page.fill("#input", "not yet sent")
            await visitor.page.reload()
            await visitor.page.locator("[data-state=running]").wait_for()
        finally:
            application.renderer.step_s = STEP_S

        assert await visitor.page.input_value("#input") == "not yet sent"
        assert await visitor.page.evaluate("document.documentElement.lang") == "zh-CN"
        assert "/lora switch anime" in await visitor.page.locator(".message.person").first.inner_text()
        await visitor.page.locator("[data-state=done] img").wait_for()
        await visitor.page.locator("#panel").get_by_text("anime", exact=True).wait_for()
        assert visitor.browser_errors == []


async def test_four_pictures_appear_in_two_columns_as_each_is_ready(
    application: Application, visitor: Visitor
) -> None:
    application.renderer.step_s = 0.15
    try:
        await visitor.say("four faces -n 4")
        await visitor.pictures.first.wait_for()
        assert await visitor.page.locator("[data-state=running]").count() == 1
        assert await visitor.page.locator(".pictures .frame").count() >= 1
        assert (await widths(visitor))[0] > 0
    finally:
        application.renderer.step_s = STEP_S
    await visitor.page.locator("[data-state=done]").wait_for()

    assert all(width > 0 for width in await widths(visitor))
    boxes = await visitor.pictures.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(({x, y}) => [Math.round(x), Math.round(y)])"
    )
    assert len({x for x, _ in boxes}) == len({y for _, y in boxes}) == 2
    assert len(boxes) == 4


async def test_two_tabs_show_the_same_conversation(application: Application) -> None:
    async with (
        open_profile(application.browser) as profile,
        open_page_as_visitor(application, profile=profile) as one,
        open_page_as_visitor(application, profile=profile) as other,
    ):
        await one.say("/quota")

        assert "Credits left" in await other.answer()


async def open_another_site(visitor: Visitor, body: str) -> None:
    """Open a page of a foreign server, which the browser treats as another site."""
    url = "http://elsewhere.test/"
    await visitor.page.route(url, lambda route: route.fulfill(body=body, content_type="text/html"))
    await visitor.page.goto(url)


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
            await visitor.page.get_by_text("Credits left").wait_for()
        finally:
            await second.close()


async def test_a_link_of_another_site_opens_the_same_session(application: Application) -> None:
    async with (
        open_profile(application.browser) as profile,
        open_page_as_visitor(application, profile=profile) as visitor,
    ):
        await visitor.say("/quota")
        await visitor.answer()
        await open_another_site(visitor, f"<a href='{application.chat.url}'>to the page</a>")

        await visitor.page.get_by_text("to the page").click()

        assert "Credits left" in await visitor.answer()


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


async def test_the_weight_control_requires_a_named_lora(visitor: Visitor) -> None:
    await visitor.page.click("#options summary")
    assert await visitor.page.is_disabled("#weight")

    await visitor.page.select_option("#lora", label="Sugar face")

    assert await visitor.page.input_value("#weight") == "0.8"
    assert await visitor.page.is_enabled("#weight")


async def test_enter_inside_an_input_method_sends_nothing(visitor: Visitor) -> None:
    await visitor.page.fill("#input", "ni hao")
    composing = "{key: 'Enter', isComposing: true, bubbles: true}"
    await visitor.page.eval_on_selector(
        "#input", f"box => box.dispatchEvent(new KeyboardEvent('keydown', {composing}))"
    )
    await visitor.page.press("#input", "Shift+Enter")

    assert await visitor.page.input_value("#input") == "ni hao\n"
    assert await visitor.page.locator(".message").count() == 0


async def test_a_double_click_draws_once(application: Application, visitor: Visitor) -> None:
    await visitor.say("a face")
    await visitor.pictures.first.wait_for()
    drawn = len(application.renderer.requests)

    await visitor.page.get_by_role("button", name="Reroll").dblclick()
    await visitor.pictures.nth(1).wait_for()
    await visitor.say("/quota")  # a second job would be accepted before this answer
    await visitor.answers.nth(2).wait_for()

    assert len(application.renderer.requests) == drawn + 1


async def below_sight_px(visitor: Visitor) -> int:
    """The height of the conversation below the visible part, after the page has settled."""
    await visitor.page.wait_for_timeout(300)
    end = "talk => Math.round(talk.scrollHeight - talk.scrollTop - talk.clientHeight)"
    return int(await visitor.page.locator("#scroll").evaluate(end))


async def test_the_newest_message_stays_visible_when_pictures_move_it_down(visitor: Visitor) -> None:
    for number in range(12):
        await visitor.say("/quota")
        await visitor.answers.nth(number).wait_for()
    assert await below_sight_px(visitor) == 0
    grow = """scroll => {
        scroll.scrollTop -= 10;  // its event comes after the talk has grown, as when a picture arrives
        scroll.querySelector("#conversation").lastElementChild.style.marginBottom = "900px";
    }"""

    await visitor.page.locator("#scroll").evaluate(grow)

    assert await below_sight_px(visitor) == 0


async def test_the_beginning_of_an_answer_taller_than_the_window_is_visible(
    application: Application,
) -> None:
    low = open_profile(application.browser, width_px=900, height_px=480)
    async with low as profile, open_page_as_visitor(application, profile=profile) as visitor:
        await visitor.say("/help")
        await visitor.answer()
        await visitor.page.wait_for_timeout(300)

        scroll = await visitor.page.locator("#scroll").bounding_box()
        answer = await visitor.answers.last.bounding_box()

    assert scroll
    assert answer
    assert answer["height"] > scroll["height"]
    assert 0 <= answer["y"] - scroll["y"] < 40


async def test_the_page_does_not_scroll_for_a_reader_who_scrolled_up(
    application: Application, visitor: Visitor
) -> None:
    application.renderer.step_s = 0.15
    try:
        for number in range(12):
            await visitor.say("/quota")
            await visitor.answers.nth(number).wait_for()
        await visitor.say("a face that comes later")
        await visitor.page.locator("[data-state=running]").wait_for()
        await visitor.page.locator("#scroll").evaluate("scroll => { scroll.scrollTop = 0; }")
        await visitor.pictures.first.wait_for()
    finally:
        application.renderer.step_s = STEP_S
    assert await below_sight_px(visitor) > 80

    await visitor.say("/quota")  # after a message of the person, the page scrolls to the answer

    assert await below_sight_px(visitor) == 0


async def test_a_phone_needs_no_sideways_scrolling(application: Application) -> None:
    phone = open_profile(application.browser, width_px=390, height_px=844)
    async with phone as profile, open_page_as_visitor(application, profile=profile) as visitor:
        await visitor.page.click("#options summary")
        await visitor.say("a face on a phone")
        await visitor.pictures.first.wait_for()

        assert await visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert await visitor.page.evaluate("document.documentElement.scrollHeight") <= 844
        box = await visitor.pictures.first.bounding_box()
        assert box
        assert box["x"] + box["width"] <= 390
