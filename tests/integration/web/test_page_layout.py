"""The layout of the page in a browser: panel, columns, scrolling, small windows."""

import pytest

from tests.integration.web.conftest import (
    CARD,
    Application,
    Visitor,
    open_page_as_visitor,
    open_profile,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_the_panel_shows_the_card_in_numbers(visitor: Visitor) -> None:
    panel = await visitor.page.locator("#panel").inner_text()

    for fact in (
        "A card of a test",
        "9.0 of 12.0 GiB",
        "3.0 GiB",
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


async def test_four_pictures_appear_in_two_columns_as_each_is_ready(
    application: Application, visitor: Visitor
) -> None:
    with application.renderer.held():
        await visitor.say("four faces -n 4")
        application.renderer.allowed = 9  # the first picture, and a step of the second
        await visitor.pictures.first.wait_for()
        assert await visitor.page.locator("[data-state=running]").count() == 1
        assert await visitor.page.locator(".pictures .frame").count() >= 1
        assert (await visitor.widths())[0] > 0
    await visitor.page.locator("[data-state=done]").wait_for()

    assert all(width > 0 for width in await visitor.widths())
    boxes = await visitor.pictures.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(({x, y}) => [Math.round(x), Math.round(y)])"
    )
    assert len({x for x, _ in boxes}) == len({y for _, y in boxes}) == 2
    assert len(boxes) == 4


BELOW_SIGHT_PX = """() => {
    const talk = document.querySelector("#scroll");
    return Math.round(talk.scrollHeight - talk.scrollTop - talk.clientHeight);
}"""


async def until_the_end_is_visible(visitor: Visitor) -> None:
    """Wait until no part of the conversation is below the visible one."""
    await visitor.page.wait_for_function(f"() => ({BELOW_SIGHT_PX})() === 0")


async def test_the_newest_message_stays_visible_when_pictures_move_it_down(visitor: Visitor) -> None:
    for number in range(12):
        await visitor.say("/quota")
        await visitor.answers.nth(number).wait_for()
    await until_the_end_is_visible(visitor)
    grow = """scroll => {
        scroll.scrollTop -= 10;  // its event comes after the talk has grown, as when a picture arrives
        scroll.querySelector("#conversation").lastElementChild.style.marginBottom = "900px";
    }"""

    await visitor.page.locator("#scroll").evaluate(grow)

    await until_the_end_is_visible(visitor)


async def test_the_beginning_of_an_answer_taller_than_the_window_is_visible(
    application: Application,
) -> None:
    low = open_profile(application.browser, width_px=900, height_px=480)
    async with low as profile, open_page_as_visitor(application, profile=profile) as visitor:
        await visitor.say("/help")
        await visitor.answer()
        await visitor.page.wait_for_function(
            """() => {
                const last = (selector) => [...document.querySelectorAll(selector)].at(-1);
                const scroll = last("#scroll").getBoundingClientRect();
                const answer = last(".message:not(.person)").getBoundingClientRect();
                const below = answer.y - scroll.y;
                return answer.height > scroll.height && 0 <= below && below < 40;
            }"""
        )


async def test_the_page_does_not_scroll_for_a_reader_who_scrolled_up(
    application: Application, visitor: Visitor
) -> None:
    with application.renderer.held():
        for number in range(12):
            await visitor.say("/quota")
            await visitor.answers.nth(number).wait_for()
        await visitor.say("a face that comes later")
        await visitor.page.locator("[data-state=running]").wait_for()
        await visitor.page.locator("#scroll").evaluate("scroll => { scroll.scrollTop = 0; }")
    await visitor.pictures.first.wait_for()
    await visitor.page.wait_for_timeout(300)  # for a page that scrolls although it should not
    assert await visitor.page.evaluate(BELOW_SIGHT_PX) > 80

    await visitor.say("/quota")  # after a message of the person, the page scrolls to the answer

    await until_the_end_is_visible(visitor)


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
