"""Fixtures of the Telegram tests: the vendor's schema, a fake server and a scripted desk."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from bot.chats.telegram_ import TelegramChat
from tests.fakes.desk import ScriptedDesk
from tests.fakes.specs import SPECS
from tests.fakes.telegram_app import Script, serving
from tests.fakes.telegram_schema import TelegramSchema
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_world import World


@pytest.fixture(scope="session")
def schema() -> TelegramSchema | None:
    """None where the schema is missing; ``test_schema.py`` then skips and says so."""
    path = SPECS / "telegram" / "api.json"
    return TelegramSchema(path) if path.is_file() else None


@pytest.fixture
async def server(schema: TelegramSchema | None) -> AsyncIterator[TelegramServer]:
    async with TelegramServer(schema) as running:
        yield running
    assert running.problems == []


@pytest.fixture
def world(server: TelegramServer) -> World:
    return server.world


@pytest.fixture
def desk() -> ScriptedDesk:
    script = Script()
    scripted = ScriptedDesk(script)
    script.addresses = scripted.addresses
    return scripted


@pytest.fixture
async def chat(server: TelegramServer, desk: ScriptedDesk) -> AsyncIterator[TelegramChat]:
    async with serving(server, desk) as running:
        yield running


@pytest.fixture
def events() -> Iterator[list[structlog.typing.EventDict]]:
    """Our own log events while the test runs."""
    with structlog.testing.capture_logs() as captured:
        yield captured
