"""The application stops during long work: it neither waits for the work nor loses a job."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest
import structlog

from bot.app import COSTS, Application, open_application, serve_chats
from bot.chats.console import ConsoleChat
from bot.cli import serve
from bot.cli.failures import flatten
from bot.commands import grammar
from bot.outcomes import Address, CommandContext, Platform, Receipt
from bot.settings import Settings, load_settings
from engine.errors import EngineError, ModelIncomplete, WorkerNotReady
from engine.host import Host
from tests.fakes.desk_harness import until
from tests.unit.engine.folders import write_model

FAKE_CHILD = "tests.integration.engine.fake_child"
AT_ONCE_S = 60.0  # a start of Python on two busy cores; a start timeout is 300 s


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A bot whose worker never finishes loading."""
    monkeypatch.setattr("bot.app.Host", partial(Host, module=FAKE_CHILD))
    model = write_model(tmp_path / "models" / "slow")
    environ = {"SUGARBOT_DATA_DIR": str(tmp_path), "SUGARBOT_ENGINE__MODEL": str(model)}
    return load_settings(environ=environ)


async def ask(application: Application) -> Receipt:
    context = CommandContext(Platform.CONSOLE, "1", "a member", Address(Platform.CONSOLE, "console", "1"))
    receipt = await application.desk.handle(grammar.parse("/sugar a face"), context)
    assert isinstance(receipt, Receipt)
    return receipt


async def test_a_stop_does_not_wait_for_a_model_that_loads_and_its_job_waits_for_the_next_start(
    settings: Settings,
) -> None:
    async with open_application(settings) as application:
        async with serve_chats(application, [ConsoleChat(application.desk)]):
            await ask(application)
            await until(lambda: application.desk.queue_status().waiting == 1)
            began_s = time.monotonic()
        assert time.monotonic() - began_s < AT_ONCE_S
        assert application.worker.cancelled()
    async with (
        open_application(settings) as application,
        serve_chats(application, [ConsoleChat(application.desk)]),
    ):
        await until(lambda: application.desk.queue_status().waiting == 1)


async def test_costs_that_cannot_be_saved_end_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.desk.maintenance.SAVE_COSTS_EVERY_S", 0.01)
    (tmp_path / COSTS).mkdir()  # not writable, as on a full disk
    with structlog.testing.capture_logs() as logs:
        async with (
            open_application(settings) as application,
            serve_chats(application, [ConsoleChat(application.desk)]),
        ):
            await until(lambda: len([each for each in logs if each["event"] == "cost book not saved"]) > 1)
            await ask(application)


@pytest.mark.parametrize(("model", "error"), [("incomplete", ModelIncomplete), ("crash", WorkerNotReady)])
async def test_a_worker_that_cannot_start_ends_the_message_with_its_reason(
    settings: Settings, tmp_path: Path, model: str, error: type[EngineError]
) -> None:
    engine = settings.engine.model_copy(update={"model": str(write_model(tmp_path / "models" / model))})
    settings = settings.model_copy(update={"engine": engine})
    async with asyncio.timeout(AT_ONCE_S):
        with pytest.raises(ExceptionGroup) as caught:
            await serve.say(settings, "/sugar a face", user_name="a member", is_host=False, out_dir=tmp_path)
    assert [type(leaf) for leaf in flatten(caught.value)] == [error]
