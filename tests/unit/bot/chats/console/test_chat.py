import asyncio
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from bot.chats.console import ConsoleAnswer, ConsoleChat
from bot.commands.values import Command, Draw, Quota, ReadSettings
from bot.errors import BadSize, OutFolderUnusable
from bot.outcomes import (
    CommandContext,
    CreditBalance,
    ExportReady,
    JobResult,
    JobState,
    LinkConfirmation,
    Originals,
    Outcome,
    PickedPicture,
    PictureFile,
    Platform,
    Undeliverable,
)
from engine.host import CardReport
from engine.planner.headroom import Headroom
from engine.request import FailReason
from tests.fakes.desk import ScriptedDesk
from tests.fakes.desk_harness import until
from tests.unit.bot.chats.making import (
    JOB,
    PNG,
    make_address,
    make_receipt,
    make_recipe,
    make_result,
    make_status,
)

LATE_ADDRESS = make_address(Platform.CONSOLE, "console", "of another process")


@dataclass
class ConsoleSetup:
    """A console chat whose desk answers a drawing with the result of ``end``."""

    out_dir: Path
    end: Callable[[CommandContext], JobResult]
    locale: str = "en"
    answers: io.StringIO = field(default_factory=io.StringIO)
    errors: io.StringIO = field(default_factory=io.StringIO)
    early: bool = False

    def __post_init__(self) -> None:
        self.desk = ScriptedDesk(self._handle)
        console = Console(file=self.errors, width=200)
        self.chat = ConsoleChat(
            self.desk, out_dir=self.out_dir, locale=self.locale, answers=self.answers, console=console
        )
        self.delivery: asyncio.Task[None] | None = None

    def _handle(self, command: Command, context: CommandContext) -> Outcome:
        if isinstance(command, Quota):
            return CreditBalance(12, 40, 1_800_000_000)
        self.delivery = asyncio.create_task(self._draw(context), name="draws for a test")
        return make_receipt()

    async def _draw(self, context: CommandContext) -> None:
        if not self.early:
            await asyncio.sleep(0)
            for step in (1, 2):
                await self.chat.show(make_status(address=context.address, step=step))
        await self.chat.deliver(self.end(context))

    async def say(self, text: str, **who: bool | str) -> ConsoleAnswer:
        return await self.chat.say(text, **who)


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Path, ...]:
    paths = (tmp_path / "a.png", tmp_path / "b.png")
    for path in paths:
        path.write_bytes(PNG + path.name.encode())
    return paths


async def test_pictures_are_saved_and_each_path_is_one_line(tmp_path: Path, drawn: tuple[Path, ...]) -> None:
    setup = ConsoleSetup(tmp_path / "out", lambda context: make_result(address=context.address, paths=drawn))

    answer = await setup.say("a smiling face")

    assert answer.exit_code == 0
    assert answer.state is JobState.DONE
    assert setup.answers.getvalue().splitlines() == [str(path) for path in answer.paths]
    assert [path.read_bytes() for path in answer.paths] == [path.read_bytes() for path in drawn]
    assert [path.name for path in answer.paths] == ["k3f9-1.png", "k3f9-2.png"]


async def test_a_file_in_place_of_the_out_folder_is_refused_before_anything_is_accepted(
    tmp_path: Path,
) -> None:
    taken = tmp_path / "README.md"
    taken.write_text("mine")
    for out_dir in (taken, taken / "below"):
        setup = ConsoleSetup(out_dir, lambda context: make_result(address=context.address))
        with pytest.raises(OutFolderUnusable) as caught:
            await setup.chat.open()
        assert caught.value.facts == {"path": str(out_dir), "detail": "Not a directory"}
        assert not setup.desk.handled
    assert taken.read_text() == "mine"


async def test_the_first_picture_creates_a_missing_folder(
    tmp_path: Path,
) -> None:
    setup = ConsoleSetup(tmp_path / "new" / "out", lambda context: make_result(address=context.address))
    await setup.chat.open()
    assert os.listdir(tmp_path) == []


async def test_a_refusal_is_one_line_and_a_failing_exit_code(tmp_path: Path) -> None:
    def refuse(_command: Command, _context: CommandContext) -> Outcome:
        raise BadSize(text="0")

    chat = ConsoleChat(ScriptedDesk(refuse), out_dir=tmp_path, answers=io.StringIO())

    answer = await chat.say("a face")

    assert answer.exit_code == 1
    assert answer.state is None
    assert "0" in answer.refusal
    assert "\n" not in answer.refusal


async def test_an_invalid_message_never_reaches_the_desk(tmp_path: Path) -> None:
    setup = ConsoleSetup(tmp_path, lambda context: make_result(address=context.address))

    answer = await setup.say("a face --size 0")

    assert answer.exit_code == 1
    assert setup.desk.handled == []
    assert answer.refusal in setup.errors.getvalue()
    assert setup.answers.getvalue() == ""


async def test_a_failed_job_is_refused_with_its_reason_and_saves_what_was_drawn(
    tmp_path: Path, drawn: tuple[Path, ...]
) -> None:
    setup = ConsoleSetup(
        tmp_path / "out",
        lambda context: make_result(
            address=context.address, paths=drawn[:1], state=JobState.FAILED, fail=FailReason.OUT_OF_MEMORY
        ),
    )

    answer = await setup.say("a face")

    assert answer.exit_code == 1
    assert answer.state is JobState.FAILED
    assert "\n" not in answer.refusal
    assert len(answer.paths) == 1


async def test_an_answer_without_a_job_goes_to_standard_output(tmp_path: Path) -> None:
    setup = ConsoleSetup(tmp_path / "out", lambda context: make_result(address=context.address))

    answer = await setup.say("/quota")

    assert answer == ConsoleAnswer()
    assert "12" in setup.answers.getvalue()
    assert not (tmp_path / "out").exists()


async def test_without_a_terminal_progress_is_a_few_lines(tmp_path: Path) -> None:
    setup = ConsoleSetup(tmp_path, lambda context: make_result(address=context.address))

    await setup.say("a face")

    assert setup.errors.getvalue().count("step") == 1  # two steps of the same picture make one line
    assert "\x1b" not in setup.errors.getvalue()


async def test_a_result_before_the_receipt_is_not_lost(tmp_path: Path, drawn: tuple[Path, ...]) -> None:
    setup = ConsoleSetup(
        tmp_path / "out", lambda context: make_result(address=context.address, paths=drawn), early=True
    )

    async with asyncio.timeout(30):
        assert (await setup.say("a face")).exit_code == 0


async def test_who_stops_it_while_it_draws_reads_that_the_job_is_kept(tmp_path: Path) -> None:
    setup = ConsoleSetup(tmp_path / "out", lambda context: make_result(address=LATE_ADDRESS))
    waiting = asyncio.create_task(setup.say("a face"), name="say")
    async with asyncio.timeout(30):
        await until(lambda: "Got it" in setup.errors.getvalue())
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert f"Job {JOB} is kept; the next `sugarbot say` that draws" in setup.errors.getvalue()


async def test_a_result_of_an_earlier_process_is_saved_and_printed_on_standard_error(
    tmp_path: Path, drawn: tuple[Path, ...]
) -> None:
    setup = ConsoleSetup(
        tmp_path / "out", lambda context: make_result(address=context.address), locale="zh-CN"
    )

    await setup.chat.deliver(make_result(address=LATE_ADDRESS, paths=drawn))

    saved = [tmp_path / "out" / f"{JOB}-{number}.png" for number in (1, 2)]
    first, *_, one, other = setup.errors.getvalue().splitlines()
    assert first == f"之前的消息，任务 {JOB}："
    assert [one, other] == [str(path) for path in saved]
    assert saved[1].read_bytes() == drawn[1].read_bytes()
    assert setup.answers.getvalue() == ""


async def test_a_folder_that_is_not_writable_is_reported_and_keeps_the_result(
    tmp_path: Path, drawn: tuple[Path, ...]
) -> None:
    (tmp_path / "out").write_text("a file in place of the folder")
    setup = ConsoleSetup(tmp_path / "out", lambda context: make_result(address=context.address, paths=drawn))

    answer = await setup.say("a face")

    assert answer.exit_code == 1
    assert str(tmp_path / "out") in answer.refusal
    assert setup.delivery is not None
    with pytest.raises(Undeliverable):
        await setup.delivery


async def test_the_desk_gets_the_sender_and_the_rights(tmp_path: Path) -> None:
    setup = ConsoleSetup(tmp_path, lambda context: make_result(address=context.address))

    await setup.say("/quota", user_name="a member")
    await setup.say("/quota", user_name="a member", is_host=True)

    member, host = (context for _, context in setup.desk.handled)
    assert member.user_name == host.user_name == "a member"
    assert host.user_id == "host"
    assert member.user_id not in ("host", "")
    assert member.event_id != host.event_id


async def test_a_member_named_host_has_no_host_rights(tmp_path: Path) -> None:
    setup = ConsoleSetup(tmp_path, lambda context: make_result(address=context.address))

    await setup.say("/quota", user_name="host")

    assert setup.desk.handled[0][1].user_id != "host"


async def test_a_prompt_reaches_the_desk_unchanged(tmp_path: Path) -> None:
    setup = ConsoleSetup(tmp_path, lambda context: make_result(address=context.address), locale="zh-CN")

    await setup.say("Sugar面部, [bold]清透水光肌[/bold]")

    command, context = setup.desk.handled[0]
    assert isinstance(command, Draw)
    assert command.prompt == "Sugar面部, [bold]清透水光肌[/bold]"
    assert context.locale == "zh-CN"


async def test_control_characters_in_an_answer_are_escaped(tmp_path: Path) -> None:
    answers = io.StringIO()
    asked = LinkConfirmation("K3F97QXM", Platform.TELEGRAM, "\x1b]0;owned\x07 \u202ename")
    chat = ConsoleChat(ScriptedDesk(lambda *_: asked), out_dir=tmp_path, answers=answers)

    await chat.say("/link K3F97QXM")

    assert "\\x1b]0;owned\\x07 \\u202ename" in answers.getvalue()
    assert not {"\x1b", "\x07", "\u202e"} & set(answers.getvalue())


async def test_the_chart_of_the_card_is_saved_below_its_text(tmp_path: Path) -> None:
    memory = Headroom(9, 9, 0, "NVIDIA A10", "a test")
    report = CardReport(device_name="NVIDIA A10", state="ready", memory=memory, png=b"chart")
    answers = io.StringIO()
    chat = ConsoleChat(ScriptedDesk(lambda *_: report), out_dir=tmp_path / "out", answers=answers)
    answer = await chat.say("/gpu", is_host=True)
    assert answer.exit_code == 0
    assert answer.paths == (tmp_path / "out" / "card.png",)
    assert answer.paths[0].read_bytes() == b"chart"
    assert answers.getvalue().splitlines()[-1] == str(answer.paths[0])
    assert "NVIDIA A10" in answers.getvalue()


async def test_pictures_of_an_earlier_job_are_saved_below_the_answer(
    tmp_path: Path, drawn: tuple[Path, ...]
) -> None:
    setup = ConsoleSetup(tmp_path / "out", lambda _: make_result())
    files = tuple(PictureFile(index, 7 + index, path) for index, path in enumerate(drawn))
    for text, outcome in (
        ("/pick 2", PickedPicture(JOB, files[1], make_recipe())),
        (f"/original {JOB}", Originals(JOB, files[:1])),
    ):
        setup.desk.answer = lambda *_, outcome=outcome: outcome
        answer = await setup.chat.say(text)
        assert answer.paths[0].read_bytes().startswith(PNG)
        assert len(answer.paths) == 1
        assert str(answer.paths[0]) in setup.answers.getvalue()


async def test_the_settings_of_a_local_picture_are_read_and_other_paths_are_refused(tmp_path: Path) -> None:
    desk = ScriptedDesk(lambda *_: CreditBalance(1, 1, 1))
    errors = io.StringIO()
    chat = ConsoleChat(desk, answers=io.StringIO(), console=Console(file=errors, width=200))
    (tmp_path / "a b.png").write_bytes(b"a picture")
    assert (await chat.say(f"/info {tmp_path / 'a b.png'}")).exit_code == 0
    ((command, _),) = desk.handled
    assert isinstance(command, ReadSettings)
    assert command.file is not None
    assert command.file.read is not None
    assert await command.file.read() == b"a picture"
    os.mkfifo(tmp_path / "pipe")
    for name in ("nothing.png", "pipe", "."):
        assert (await chat.say(f"/info {tmp_path / name}")).exit_code == 1
    assert "no such file" in errors.getvalue()
    assert len(desk.handled) == 1


async def test_the_files_of_an_export_are_saved_below_the_answer(tmp_path: Path) -> None:
    part = tmp_path / "sugarbot-0123456789abcdef-1.zip"
    part.write_bytes(b"packed")
    setup = ConsoleSetup(tmp_path / "out", lambda _: make_result())
    setup.desk.answer = lambda *_: ExportReady((part,), 2)
    answer = await setup.chat.say("/mine export")
    assert answer.paths == (tmp_path / "out" / part.name,)
    assert answer.paths[0].read_bytes() == b"packed"
    assert str(answer.paths[0]) in setup.answers.getvalue()
    part.unlink()
    assert (await setup.chat.say("/mine export")).exit_code == 1
