"""The page checks a picture's file as every other reader does, and tells nothing but the picture."""

from pathlib import Path

import pytest
from playwright.async_api import APIResponse

from tests.integration.web.conftest import Application, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def drawn(application: Application, visitor: Visitor) -> tuple[str, Path]:
    """The address of a picture on the page, and its file."""
    await visitor.say("a face")
    await visitor.pictures.first.wait_for()
    address = await visitor.pictures.first.get_attribute("src") or ""
    return address, await application.harness.picture_file(address.split("/")[2])


async def fetch(visitor: Visitor, address: str) -> APIResponse:
    return await visitor.page.request.get(visitor.page.url.rstrip("/") + address)


async def test_a_picture_is_sent_without_the_times_of_its_file(
    application: Application, visitor: Visitor
) -> None:
    """Its file may be somebody else's, too, who drew it at another time."""
    address, file = await drawn(application, visitor)
    answer = await fetch(visitor, address)
    assert (answer.status, await answer.body()) == (200, file.read_bytes())
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith('inline; filename="sugarbot-')
    assert not {"last-modified", "etag"} & set(answer.headers)


async def test_a_damaged_picture_is_answered_as_damaged(application: Application, visitor: Visitor) -> None:
    address, file = await drawn(application, visitor)
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    answer = await fetch(visitor, address)
    assert answer.status == 410
    assert "damaged" in await answer.text()
    file.unlink()
    assert (await fetch(visitor, address)).status == 404
