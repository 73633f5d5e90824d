"""A stream sends the parts that changed, and ends with the login."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from bot.chats.web.operator import stream
from bot.chats.web.operator.stream import stream_parts


class Tab:
    """A tab whose parts a test changes."""

    def __init__(self, **parts: str) -> None:
        self.parts = parts
        self.is_open = True

    async def render(self) -> Mapping[str, str]:
        return dict(self.parts)

    def events(self) -> AsyncIterator[str]:
        return stream_parts(self.render, lambda: self.is_open, 0.001)


def parsed(chunk: str) -> list[tuple[str, dict[str, Any]]]:
    parts = [part.split("\n", 1) for part in chunk.split("\n\n") if part]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


async def test_only_changed_parts_are_sent_again() -> None:
    tab = Tab(charts="<p>1", log="<p>a\n<p>b")
    events = tab.events()
    assert (await anext(events)).startswith("retry: ")
    first = parsed(await anext(events))
    assert first == [
        ("part", {"name": "charts", "html": "<p>1"}),
        ("part", {"name": "log", "html": "<p>a\n<p>b"}),
    ]

    tab.parts["charts"] = "<p>2"

    async with asyncio.timeout(30):
        assert parsed(await anext(events)) == [("part", {"name": "charts", "html": "<p>2"})]


async def test_a_stream_ends_when_the_login_has_ended() -> None:
    tab = Tab(charts="<p>1")
    events = tab.events()
    await anext(events)
    await anext(events)

    tab.is_open = False

    async with asyncio.timeout(30):
        assert [parsed(chunk) async for chunk in events] == [[("closed", {})]]


async def test_a_closed_tab_sends_no_part() -> None:
    tab = Tab(charts="<p>1")
    tab.is_open = False
    chunks = [chunk async for chunk in tab.events()]
    assert "<p>1" not in "".join(chunks)


async def test_a_quiet_stream_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.005)
    events = Tab().events()
    await anext(events)
    async with asyncio.timeout(30):
        assert await anext(events) == ": still here\n\n"
