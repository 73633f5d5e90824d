"""How much code one plain picture passes in the parent process: less of it is quicker to read.

``pytest -s tests/integration/app/test_path_of_a_picture.py`` prints each function with its caller, and the
sums. Counted is what runs between the message and the delivered picture, for a person who has had a picture
before: every function, property, lambda and generator, but no comprehension (from Python 3.12 on it is no
function). Not counted are the chat with what it stores for itself (its event, its placeholder), the worker
with what it prints, and the log.
"""

import asyncio
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

from structlog.testing import capture_logs

from bot.commands import grammar
from bot.desk.build import DeskInputs, build_desk
from bot.outcomes import JobState, Platform, Receipt
from bot.policy.rules import Rules
from bot.store import open_store
from engine.host import Host
from engine.planner.costs.book import CostBook
from tests.fakes.chat import FakeChat
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import MIGRATIONS, MODEL, SHELF, DeskHarness, FakeProbe, a_context, until
from tests.fakes.lora_folder import shelf_inputs
from tests.integration.engine.host.hosting import CONFIG, FAKE

ROOT = Path(__file__).resolve().parents[3]
MOST_FUNCTIONS = 120
MOST_FILES = 26
OF_WORKER = Path("engine/host/output.py")  # copies what it prints into the log
COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")


class CallRecorder:
    """Records which of our functions run, in all threads that start after it.

    Attributes:
        callers: The functions by file, with who called them first.
    """

    def __init__(self) -> None:
        self.callers: defaultdict[str, dict[CodeType, str]] = defaultdict(dict)
        self._is_on = False

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if not self._is_on or event != "call" or code.co_name in COMPREHENSIONS:
            return
        path = Path(code.co_filename)
        if not path.is_relative_to(ROOT):
            return
        path = path.relative_to(ROOT)
        if path.parts[0] in ("bot", "engine") and path != OF_WORKER:
            caller = "" if frame.f_back is None else frame.f_back.f_code.co_name
            self.callers[str(path)].setdefault(code, caller)

    @contextmanager
    def installed(self) -> Iterator[None]:
        threading.setprofile(self.profile)
        sys.setprofile(self.profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]  # as the documentation has it

    @contextmanager
    def recording(self) -> Iterator[None]:
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    @property
    def functions(self) -> int:
        return sum(map(len, self.callers.values()))

    def print_all(self) -> None:
        packages = Counter[str]()
        for file, codes in sorted(self.callers.items()):
            packages[file.rpartition("/")[0]] += len(codes)
            print(f"\n{file}: {len(codes)}")
            for code in sorted(codes, key=lambda one: one.co_firstlineno):
                print(f"    {code.co_firstlineno:4} {code.co_qualname}  ← {codes[code]}")
        print("\n" + "\n".join(f"{count:4} {package}" for package, count in packages.most_common()))
        print(f"{self.functions} functions in {len(self.callers)} files")


async def request_picture(bot: DeskHarness, number: int, recorder: CallRecorder) -> None:
    """Send a message as a chat does, and return when its picture was delivered and this is stored."""
    event_id = str(number)
    await bot.desk.store_events(bot.chat.platform, [(event_id, "{}")])
    with recorder.recording():
        command = grammar.parse(f"a red fox in the snow, {number}")
        receipt = await bot.desk.handle(command, a_context(event_id, platform=bot.chat.platform))
        assert isinstance(receipt, Receipt)
        results = await bot.chat.wait_for_results(number, timeout_s=30)
        await asyncio.sleep(0.5)  # what follows the delivery
    assert results[-1].state is JobState.DONE
    await asyncio.sleep(0.6)  # until its last status was shown


async def test_a_plain_picture_passes_few_functions_in_few_files(tmp_path: Path) -> None:
    recorder, chat, clock, probe = CallRecorder(), FakeChat(Platform.TELEGRAM), FakeClock(), FakeProbe()
    host = Host(CONFIG, module=FAKE)
    with recorder.installed(), capture_logs():  # how lines are written is not a part of the path
        store = await open_store(tmp_path / "sugarbot.db", MIGRATIONS)
        try:
            await host.start()
            desk = build_desk(
                DeskInputs(
                    store=store,
                    renderer=host,
                    shelf=SHELF,
                    model=MODEL,
                    probe=probe,
                    costs=CostBook("a test"),
                    rules=Rules(allow=frozenset({"telegram:*"})),
                    pictures_dir=tmp_path / "pictures",
                    clock=clock,
                    reserve_bytes=lambda: 0,
                    is_loading=lambda: host.info is None,
                    loading_s=host.loading_s,
                    **shelf_inputs(tmp_path),
                )
            )
            bot = DeskHarness(tmp_path, store, desk, host, clock, probe, chat)  # type: ignore[arg-type]
            async with bot.running():
                await until(lambda: desk.parts.profiles.is_loaded)
                await request_picture(bot, 1, CallRecorder())
                await request_picture(bot, 2, recorder)
        finally:
            await host.close()
            await store.close()
    recorder.print_all()
    assert recorder.functions <= MOST_FUNCTIONS
    assert len(recorder.callers) <= MOST_FILES
