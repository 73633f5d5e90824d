"""The page in a browser, with a real desk and store behind it."""

from collections.abc import AsyncIterator

import pytest

from bot.words.page import page as word
from engine.request import RenderRequest
from tests.integration.web.conftest import STEP_S, House, Visitor, arrive, open_profile

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    # Gradio sums up its queue with pandas options that are on their way out, each time an event ends.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio.queueing"),
]

HOSTILE = (
    '<img src=x onerror="window.hit=1"><script>window.hit=2</script> '
    "**bold** [a](javascript:hit) ${hit} {{hit}} `${window.hit=3}`"
)


def last_request(house: House) -> RenderRequest:
    return house.renderer.requests[-1]


async def widths(visitor: Visitor) -> list[int]:
    found: list[int] = await visitor.pictures.evaluate_all(
        "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
    )
    return found


async def test_the_page_loads_whole_and_asks_nothing_of_other_machines(visitor: Visitor) -> None:
    await visitor.page.wait_for_timeout(2_000)  # the panel has been refreshed by then

    assert visitor.strayed == []
    assert visitor.complaints == []
    assert await visitor.page.title() == "Sugarbot"


async def test_a_prompt_shows_its_progress_and_then_its_picture(house: House, visitor: Visitor) -> None:
    await visitor.say("a smiling face")

    await visitor.page.locator(".bar").wait_for()
    assert "a smiling face" in await visitor.page.locator(".turn.person").inner_text()
    await visitor.pictures.first.wait_for()

    assert all(width > 0 for width in await widths(visitor))
    assert "128 × 128" in await visitor.answer()
    assert await visitor.page.locator(".bar").count() == 0
    assert visitor.strayed == visitor.complaints == []
    assert "a smiling face" in last_request(house).prompt


async def test_the_bar_moves_with_the_steps(house: House, visitor: Visitor) -> None:
    house.renderer.step_s = 0.3
    try:
        await visitor.say("a slow face")
        seen = {percent async for percent in percents(visitor)}
    finally:
        house.renderer.step_s = STEP_S

    assert len(seen) >= 3
    assert max(seen) <= 100


async def percents(visitor: Visitor) -> AsyncIterator[int]:
    while await visitor.pictures.count() == 0:
        bar = visitor.page.locator(".bar")
        if await bar.count():
            yield int(await bar.get_attribute("aria-valuenow") or 0)
        await visitor.page.wait_for_timeout(100)


async def test_commands_are_answered_in_the_conversation(visitor: Visitor) -> None:
    await visitor.say("/quota")
    await visitor.answers.nth(0).wait_for()
    assert "Credits left" in await visitor.answer()

    await visitor.say("/lora list")
    answer = await visitor.answers.nth(1).inner_text()
    assert "sugar" in answer
    assert "anime" in answer


async def test_a_switch_of_the_default_holds_for_this_page_alone(house: House, visitor: Visitor) -> None:
    await visitor.say("/lora switch anime")
    assert "anime" in await visitor.answer()
    await visitor.say("one face")
    await visitor.pictures.first.wait_for()
    assert [lora.name for lora in last_request(house).loras] == ["anime"]

    async with arrive(house) as another:
        await another.say("another face")
        await another.pictures.first.wait_for()
    assert [lora.name for lora in last_request(house).loras] == ["sugar"]


async def test_a_bad_size_is_said_in_a_sentence_and_draws_nothing(house: House, visitor: Visitor) -> None:
    drawn = len(house.renderer.requests)

    await visitor.say("a face --size 7x9999x")

    assert "is not a size" in await visitor.answer()
    assert await visitor.page.locator(".turn.refusal").count() == 1
    assert len(house.renderer.requests) == drawn


async def test_an_empty_message_is_answered(visitor: Visitor) -> None:
    await visitor.page.click("#send")

    assert "What shall I draw?" in await visitor.answer()


async def test_cancel_stops_a_running_job(house: House, visitor: Visitor) -> None:
    house.renderer.step_s = 0.5
    try:
        await visitor.say("a face nobody wants")
        await visitor.page.locator("[data-state=running]").wait_for()
        await visitor.page.get_by_role("button", name="Cancel").click()
        await visitor.page.locator("[data-state=cancelled]").wait_for()
    finally:
        house.renderer.step_s = STEP_S

    assert "Cancelled" in await visitor.page.locator("[data-state=cancelled]").inner_text()
    assert await visitor.pictures.count() == 0


async def test_reroll_draws_a_second_picture_with_another_seed(house: House, visitor: Visitor) -> None:
    await visitor.say("a face")
    await visitor.pictures.nth(0).wait_for()
    first = last_request(house)

    await visitor.page.get_by_role("button", name="Reroll").click()
    await visitor.pictures.nth(1).wait_for()

    again = last_request(house)
    assert again.prompt == first.prompt
    assert again.seed != first.seed
    assert all(width > 0 for width in await widths(visitor))


async def test_two_jobs_of_one_page_both_arrive(visitor: Visitor) -> None:
    await visitor.say("first face")
    await visitor.say("second face")

    await visitor.pictures.nth(1).wait_for()
    assert await visitor.page.locator("[data-state=done]").count() == 2


async def test_a_chinese_browser_reads_chinese_and_may_switch(house: House) -> None:
    async with (
        open_profile(house.browser, locale="zh-CN") as profile,
        arrive(house, profile=profile) as visitor,
    ):
        welcome = visitor.page.locator(".welcome h2")
        assert await welcome.inner_text() == word("welcome", "zh-CN") != word("welcome", "en")
        assert await visitor.page.get_attribute("#message textarea", "placeholder") == word(
            "placeholder", "zh-CN"
        )
        assert await visitor.page.evaluate("document.documentElement.lang") == "zh-CN"

        await visitor.page.get_by_text("English", exact=True).click()
        await visitor.page.get_by_text(word("welcome", "en")).wait_for()


async def test_an_english_browser_reads_english(visitor: Visitor) -> None:
    assert await visitor.page.locator(".welcome h2").inner_text() == word("welcome", "en")


async def test_hostile_text_stays_text(visitor: Visitor) -> None:
    await visitor.say(HOSTILE)
    await visitor.pictures.first.wait_for()
    await visitor.say("/mine")
    await visitor.page.locator(".job").first.wait_for()

    assert await visitor.page.locator(".turn.person").first.inner_text() == HOSTILE
    assert await visitor.page.evaluate("window.hit") is None
    assert await visitor.page.locator(".talk :is(script, strong, [onerror], img[src=x])").count() == 0
    assert await visitor.page.locator(".talk a[href^=javascript]").count() == 0


async def test_the_panel_shows_the_card_in_numbers(visitor: Visitor) -> None:
    panel = await visitor.page.locator(".panel").inner_text()

    for fact in (
        "A card of a test",
        "9.0 of 12.0 GiB",
        "3.0 GiB",
        "a test says so",
        "abc",
        "5 of 8",
        "sugar",
    ):
        assert fact in panel


async def test_controls_add_to_a_plain_prompt(house: House, visitor: Visitor) -> None:
    await visitor.page.click("#options button")
    await visitor.page.click("#lora input")
    await visitor.page.get_by_role("option", name="anime").click()
    await visitor.page.locator("#shape").get_by_text("2:3", exact=True).click()
    await visitor.page.locator("#count").get_by_text("2", exact=True).click()
    await visitor.say("two faces")
    await visitor.pictures.nth(1).wait_for()

    asked = last_request(house)
    assert [lora.name for lora in asked.loras] == ["anime"]
    assert asked.count == 2
    assert asked.width_px < asked.height_px


async def test_an_example_lands_in_the_box(visitor: Visitor) -> None:
    await visitor.page.locator(".example").first.click()

    await visitor.page.wait_for_function(
        "document.querySelector('#message textarea').value.startsWith('Sugar面部')"
    )


async def test_pictures_of_a_closed_page_wait_in_the_history(house: House) -> None:
    async with arrive(house) as leaving:
        await leaving.say("a face for later")
        await leaving.page.locator("[data-state=running]").wait_for()

    async with arrive(house) as back:
        for _ in range(20):
            await back.say("/mine")
            await back.page.wait_for_timeout(300)
            if await back.page.locator(".job", has_text="a face for later").locator("img").count():
                break
        shown = back.page.locator(".job", has_text="a face for later").locator("img").first
        assert await shown.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


async def test_a_picture_is_shown_to_its_own_page_only(visitor: Visitor) -> None:
    await visitor.say("a private face")
    await visitor.pictures.first.wait_for()
    source = await visitor.pictures.first.evaluate("image => image.src")
    page, job, index = source.rsplit("/", 3)[1:]

    async def status(url: str, **headers: str) -> int:
        return (await visitor.page.request.get(url, headers=headers)).status

    assert await status(source) == 200
    assert await status(source.replace(page, "another")) == 404
    assert await status(source.replace(f"{job}/{index}", f"{job}/9.png")) == 404
    assert await status(source, Host="evil.example") == 400


async def test_the_browser_itself_refuses_other_machines(house: House, visitor: Visitor) -> None:
    answer = await visitor.page.request.get(house.chat.url)
    policy = answer.headers["content-security-policy"]

    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    failed = "() => fetch('http://127.0.0.2:9/').then(() => 'sent', error => String(error))"
    assert "Failed to fetch" in await visitor.page.evaluate(failed)
    assert any("Content Security Policy" in complaint for complaint in visitor.complaints)


async def test_the_weight_belongs_to_a_named_lora(visitor: Visitor) -> None:
    weight = visitor.page.locator("#weight input[type=number]")
    await visitor.page.click("#options button")
    assert await weight.is_disabled()

    await visitor.page.click("#lora input")
    await visitor.page.get_by_role("option", name="Sugar face").click()
    await visitor.page.wait_for_function(
        "document.querySelector('#weight input[type=number]').value === '0.8'"
    )

    assert await weight.is_enabled()


async def below_sight_px(visitor: Visitor) -> int:
    """How much of the conversation lies below what is seen, once the page has settled."""
    await visitor.page.wait_for_timeout(300)
    end = "talk => Math.round(talk.scrollHeight - talk.scrollTop - talk.clientHeight)"
    return int(await visitor.page.locator("#talk").evaluate(end))


async def test_the_newest_turn_stays_in_sight_also_when_pictures_push_it_down(visitor: Visitor) -> None:
    for _ in range(3):
        await visitor.say("/help")
        await visitor.answer()
    assert await below_sight_px(visitor) == 0
    grow = """talk => {
        talk.scrollTop -= 10;  // its event comes after the talk has grown, as when a picture arrives
        talk.querySelector(".talk").lastElementChild.style.marginBottom = "900px";
    }"""

    await visitor.page.locator("#talk").evaluate(grow)

    assert await below_sight_px(visitor) == 0


async def test_a_reader_who_scrolled_up_is_left_there(visitor: Visitor) -> None:
    for index in range(4):
        await visitor.say("/help")
        await visitor.answers.nth(index).wait_for()
    await visitor.page.wait_for_timeout(300)  # what grows after the reader scrolled would be another story
    await visitor.page.locator("#talk").evaluate("talk => { talk.scrollTop = 0; }")
    await visitor.page.wait_for_timeout(200)

    await visitor.say("/quota")

    assert await below_sight_px(visitor) > 80


async def test_a_phone_needs_no_sideways_scrolling(house: House) -> None:
    phone = open_profile(house.browser, width_px=390, height_px=844)
    async with phone as profile, arrive(house, profile=profile) as visitor:
        await visitor.page.click("#options button")
        await visitor.say("a face on a phone")
        await visitor.pictures.first.wait_for()

        assert await visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
        box = await visitor.pictures.first.bounding_box()
        assert box
        assert box["x"] + box["width"] <= 390
