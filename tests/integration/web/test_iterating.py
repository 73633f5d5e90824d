"""Buttons under a picture on the page: vary, edit and delete, in a browser with a real desk and store."""

import pytest
from playwright.async_api import Locator

from bot.messages import button_label
from bot.messages.page import page_text
from tests.integration.web.conftest import Application, Visitor

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


def button(visitor: Visitor, key: str) -> Locator:
    return visitor.page.get_by_role("button", name=button_label(key, "en"), exact=True).last


async def test_a_person_varies_edits_and_deletes_a_picture(
    application: Application, visitor: Visitor
) -> None:
    await visitor.say("a face to vary --seed 7")
    await visitor.pictures.first.wait_for()

    await button(visitor, "vary").click()
    await visitor.page.get_by_text("a variation of picture 1").last.wait_for()
    await visitor.pictures.nth(1).wait_for()
    start = application.last_request.start
    assert start is not None
    assert start.png.startswith(b"\x89PNG")

    await button(visitor, "edit").click()
    await visitor.page.locator(".bubble .example").wait_for()
    await visitor.page.locator(".bubble .example").click()
    text = await visitor.page.input_value("#input")
    assert "a face to vary" in text
    await visitor.say(text.replace("to vary", "that was changed"))
    await visitor.page.get_by_text("changed").last.wait_for()
    await visitor.pictures.nth(2).wait_for()
    assert application.last_request.prompt.endswith("a face that was changed")
    await visitor.page.get_by_text("the text of job").last.wait_for()

    await button(visitor, "delete").click()
    again = visitor.page.get_by_role("button", name=page_text("confirm_delete", "en"))
    await again.wait_for()
    assert await visitor.pictures.count() == 3
    await again.click()
    await visitor.page.get_by_text("are deleted").wait_for()
    await visitor.until_pictures(2)
    await visitor.page.locator(".message.person", has_text="that was changed").wait_for(state="detached")
    assert visitor.foreign_requests == visitor.browser_errors == []
