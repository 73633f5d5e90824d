"""Messages, controls and buttons of the page in a browser, with a real desk and store behind it."""

import pytest

from bot.messages.page import LANGUAGES, page_text
from tests.integration.web.conftest import (
    Application,
    Visitor,
    open_page_as_visitor,
    open_profile,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

MARKUP_TEXT = (
    '<img src=x onerror="window.hit=1"><script>window.hit=2</script> '
    "**bold** [a](javascript:hit) ${hit} {{hit}} `${window.hit=3}`"
)


async def test_the_page_loads_completely_and_requests_nothing_from_other_machines(visitor: Visitor) -> None:
    await visitor.page.wait_for_timeout(2_000)  # until the panel was updated

    assert visitor.foreign_requests == []
    assert visitor.browser_errors == []
    assert await visitor.page.title() == "Sugarbot"


async def test_a_prompt_shows_its_progress_and_then_its_picture(
    application: Application, visitor: Visitor
) -> None:
    with application.renderer.held():
        await visitor.say("a smiling face")
        await visitor.page.locator("#conversation progress").wait_for()
    assert "a smiling face" in await visitor.page.locator(".message.person").inner_text()
    await visitor.page.locator("[data-state=done] img").wait_for()

    assert all(width > 0 for width in await visitor.widths())
    assert "128 × 128" in await visitor.answer()
    assert await visitor.page.locator("#conversation progress").count() == 0
    assert visitor.foreign_requests == visitor.browser_errors == []
    assert "a smiling face" in application.last_request.prompt


async def test_the_bar_moves_with_the_steps(application: Application, visitor: Visitor) -> None:
    seen = [0.0]
    with application.renderer.held():
        await visitor.say("a slow face")
        for _ in range(3):
            application.renderer.allowed += 2
            bar = await visitor.page.wait_for_function(
                "least => [...document.querySelectorAll('#conversation progress')]"
                ".map(bar => bar.value).find(value => value > least)",
                arg=seen[-1],
            )
            seen.append(await bar.json_value())
    await visitor.pictures.first.wait_for()

    assert max(seen) <= 100


async def test_commands_are_answered_in_the_conversation(visitor: Visitor) -> None:
    await visitor.say("/quota")
    await visitor.answers.nth(0).wait_for()
    assert "You need no credits here" in await visitor.answer()

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
    assert [lora.name for lora in application.last_request.loras] == ["anime"]

    async with open_page_as_visitor(application) as another:
        await another.say("another face")
        await another.pictures.first.wait_for()
    assert [lora.name for lora in application.last_request.loras] == ["sugar"]


async def test_a_bad_size_is_explained_and_draws_nothing(application: Application, visitor: Visitor) -> None:
    drawn = len(application.renderer.requests)

    await visitor.say("a face --size 7x9999x")

    assert "is not a size" in await visitor.answer()
    assert await visitor.page.locator(".message.refusal").count() == 1
    assert len(application.renderer.requests) == drawn


async def test_a_slash_lists_the_commands_and_keys_choose_one(visitor: Visitor) -> None:
    commands = visitor.page.locator("#commands li:visible")
    await visitor.page.type("#input", "/")
    assert await commands.count() > 20
    assert "Show how many credits you have left" in await visitor.page.inner_text("#commands")

    await visitor.page.type("#input", "qu")
    assert await commands.count() == 1
    await visitor.page.press("#input", "Enter")
    assert await visitor.page.input_value("#input") == "/quota "
    assert await commands.count() == 0
    await visitor.page.press("#input", "Enter")
    assert "You need no credits here" in await visitor.answer()

    await visitor.page.fill("#input", "/lora")
    await visitor.page.press("#input", "ArrowDown")
    await visitor.page.press("#input", "Tab")
    assert await visitor.page.input_value("#input") == "/lorainfo "
    await visitor.page.fill("#input", "/s")
    await commands.filter(has_text="/status").click()
    assert await visitor.page.input_value("#input") == "/status "


async def test_a_text_that_is_too_long_is_refused_and_stays_in_the_box(visitor: Visitor) -> None:
    await visitor.say("x" * 4_001)

    await visitor.page.get_by_text("Write at most 4000 characters").wait_for()
    assert len(await visitor.page.input_value("#input")) == 4_001
    assert await visitor.page.locator(".message").count() == 0


async def test_an_empty_message_is_answered(visitor: Visitor) -> None:
    await visitor.page.click("#send")

    assert "What should I draw?" in await visitor.answer()


async def test_cancel_stops_a_running_job(application: Application, visitor: Visitor) -> None:
    with application.renderer.held():
        await visitor.say("a face nobody wants")
        await visitor.page.locator("[data-state=running]").wait_for()
        await visitor.page.get_by_role("button", name="Cancel").click()
        await visitor.page.locator("[data-state=cancelled]").wait_for()

    assert "Cancelled" in await visitor.page.locator("[data-state=cancelled]").inner_text()
    assert await visitor.pictures.count() == 0


async def test_reroll_draws_a_second_picture_with_another_seed(
    application: Application, visitor: Visitor
) -> None:
    await visitor.say("a face")
    await visitor.pictures.nth(0).wait_for()
    first = application.last_request

    await visitor.page.get_by_role("button", name="Reroll").click()
    await visitor.pictures.nth(1).wait_for()

    again = application.last_request
    assert again.prompt == first.prompt
    assert again.seed != first.seed
    assert all(width > 0 for width in await visitor.widths())


async def test_two_jobs_of_one_page_both_arrive(visitor: Visitor) -> None:
    await visitor.say("first face")
    await visitor.say("second face")

    await visitor.page.locator("[data-state=done]").nth(1).wait_for()
    assert await visitor.pictures.count() == 2


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
    text = await visitor.page.locator("body").inner_text()
    for name in LANGUAGES.values():
        text = text.replace(name, "")
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


async def test_controls_add_to_a_plain_prompt(application: Application, visitor: Visitor) -> None:
    await visitor.page.click("#options summary")
    await visitor.page.select_option("#lora", label="anime")
    await visitor.page.locator("#shape").get_by_text("2:3", exact=True).click()
    await visitor.page.locator("#count").get_by_text("2", exact=True).click()
    await visitor.say("two faces")
    await visitor.pictures.nth(1).wait_for()

    requests = application.last_request
    assert [lora.name for lora in requests.loras] == ["anime"]
    assert requests.count == 2
    assert requests.width_px < requests.height_px


async def test_a_click_on_an_example_fills_the_text_box(visitor: Visitor) -> None:
    example = visitor.page.locator(".example").first

    await example.click()

    assert await visitor.page.input_value("#input") == await example.inner_text()


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
