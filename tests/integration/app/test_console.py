"""The console chat over a real desk and store; it needs no browser."""

import io
from pathlib import Path

from PIL import Image
from rich.console import Console

from bot.chats.console import ConsoleChat
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.renderer import Act, FakeRenderer


def open_console(harness: DeskHarness, folder: Path) -> tuple[ConsoleChat, io.StringIO]:
    message = io.StringIO()
    chat = ConsoleChat(
        harness.desk, out_dir=folder / "out", answers=message, console=Console(file=io.StringIO())
    )
    harness.chat = chat
    return chat, message


async def test_a_message_becomes_pictures_in_the_folder(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        chat, message = open_console(harness, tmp_path)
        async with harness.running():
            answer = await chat.say("/sugar a face --lora sugar:0.8 --seed 7 -n 2", user_name="a member")

    assert answer.exit_code == 0
    assert message.getvalue().splitlines() == [str(path) for path in answer.paths]
    for seed, path in enumerate(answer.paths, start=7):
        with Image.open(path) as picture:
            assert picture.text["parameters"] == f"Seed: {seed}"


async def test_a_failed_job_gives_a_failing_exit_code(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.FAIL])) as harness:
        chat, _ = open_console(harness, tmp_path)
        async with harness.running():
            answer = await chat.say("a face")

    assert answer.exit_code == 1
    assert answer.paths == ()


async def test_a_host_may_switch_and_a_member_may_not(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        chat, _ = open_console(harness, tmp_path)

        assert (await chat.say("/lora switch anime", user_name="a member")).exit_code == 1
        assert (await chat.say("/lora switch anime", is_host=True)).exit_code == 0
