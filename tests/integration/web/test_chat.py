"""Opening and closing the web chat in the application's own event loop."""

import asyncio
import socket
import time

import pytest

from bot.chats.web import WebChat
from tests.integration.web.conftest import CARD, Application, open_page_as_visitor

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_closing_does_not_wait_for_open_pages(application: Application) -> None:
    chat = WebChat(application.harness.desk, card=lambda: CARD, host="127.0.0.1", port=0)
    await chat.open()
    serving = asyncio.create_task(chat.serve(), name="web chat serves")
    async with open_page_as_visitor(application, url=chat.url):
        began = time.monotonic()
        await chat.close()
        closing_s = time.monotonic() - began

    await asyncio.wait_for(serving, 30)
    assert closing_s < 30  # the page would stay open for ever
    host, port = chat.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_server((host, int(port))):
        pass  # the port is free again


async def test_a_cancelled_serve_does_not_close_the_page(application: Application) -> None:
    chat = WebChat(application.harness.desk, card=lambda: CARD, host="127.0.0.1", port=0)
    await chat.open()
    serving = asyncio.create_task(chat.serve(), name="web chat serves")
    await asyncio.sleep(0.05)

    serving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await serving
    await chat.close()
