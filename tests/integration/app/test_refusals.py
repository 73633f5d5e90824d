"""Bad input at the console: each message gets one clear sentence and costs no credit."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from rich.console import Console

from bot.app import Application, open_application
from bot.chats.console import ConsoleChat
from bot.commands import grammar
from bot.commands.values import Cancel, Quota
from bot.outcomes import Address, CommandContext, CreditBalance, Platform, Receipt
from bot.settings import load_settings

BAD = {
    "nothing at all": ("/sugar", "What should I draw?"),
    "a prompt of spaces": ("/sugar   ", "What should I draw?"),
    "only what cannot be seen": ("/sugar \x00\u202e\u2066", "What should I draw?"),
    "10,000 characters": ("/sugar " + "长" * 10_000, "10007 characters"),
    "more tokens than the model reads": ("/sugar " + "wonderful " * 600, "the model reads at most 512"),
    "an unknown LoRA": ("/sugar a face --lora suger", "sugar"),
    "a size of 0": ("/sugar a face --size 0", "not a size"),
    "a size of -1": ("/sugar a face --size -1", "not a size"),
    "a size the model cannot": ("/sugar a face --size 7x9999", "7 × 9999"),
    "a shape the model cannot": ("/sugar a face --size 9:1", "Did you mean 192 × 128?"),
    "another bot's option": ("/sugar a face --steps 30", "same number of steps"),
    "a shape with nothing in it": ("/sugar a face --size 2:0", "not a size"),
    "a seed beyond the range": ("/sugar a face --seed 4294967296", "not a seed"),
    "a seed below it": ("/sugar a face --seed -1", "not a seed"),
    "a seed of letters": ("/sugar a face --seed seven", "not a seed"),
    "no pictures": ("/sugar a face -n 0", "pictures at once. Use a number from 1 to 4"),
    "99 pictures": ("/sugar a face -n 99", "pictures at once. Use a number from 1 to 4"),
    "a weight that is no number": ("/sugar a face --lora sugar:nan", "not a LoRA weight"),
    "a weight too strong": ("/sugar a face --lora sugar --weight 9", "not a LoRA weight"),
    "half an option": ("/sugar a face --seed", "needs a value"),
    "an unknown option": ("/sugar a face --sead 7", "--seed"),
    "an unknown command": ("/suger a face", "Did you mean /sugar"),
    "a job that is not there": ("/cancel nosuchjob", "no job"),
    "nothing to cancel": ("/cancel", "nothing to cancel"),
    "a switch by a member": ("/lora switch anime", "Only a host"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    data_dir = str(tmp_path_factory.mktemp("application"))
    async with open_application(load_settings(environ={"SUGARBOT_DATA_DIR": data_dir})) as application:
        yield application


async def credits(application: Application) -> int:
    context = CommandContext(Platform.CONSOLE, "ask", "a member", Address(Platform.CONSOLE, "console"))
    answer = await application.desk.handle(Quota(), context)
    assert isinstance(answer, CreditBalance)
    return answer.credits


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("what", BAD)
async def test_bad_input_gets_one_clear_sentence_and_costs_nothing(
    application: Application, what: str, tmp_path: Path
) -> None:
    message, sentence = BAD[what]
    before = await credits(application)
    chat = ConsoleChat(application.desk, out_dir=tmp_path, console=Console(quiet=True))
    answer = await chat.say(message, user_name="a member", is_host=False)
    assert answer.exit_code == 1
    assert sentence in answer.refusal
    assert "\n" not in answer.refusal
    assert await credits(application) == before
    assert not answer.paths


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("prompt", ["🍬 a face 🍬", "وجه مبتسم", "a\nface\tsmiling", "<b>脸</b> & 'quotes'"])
async def test_unusual_text_is_a_valid_prompt(application: Application, prompt: str) -> None:
    """The job is accepted; a cancellation returns its credits."""
    before = await credits(application)
    context = CommandContext(
        Platform.CONSOLE,
        f"odd {prompt}",
        "a member",
        Address(Platform.CONSOLE, "console"),
        user_name="a member",
    )
    receipt = await application.desk.handle(grammar.parse(f"/sugar {prompt}"), context)
    assert isinstance(receipt, Receipt)
    assert await credits(application) == before - receipt.price
    await application.desk.handle(Cancel(receipt.job_id), replace(context, event_id=f"cancel {prompt}"))
    assert await credits(application) == before
