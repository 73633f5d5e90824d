"""Under any umask the bot writes for its owner alone, and what an older version left open is closed."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.conftest import ended, environment, sugarbot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """Child processes inherit it."""
    before = os.umask(0o000)
    yield
    os.umask(before)


def loose_in(folder: Path) -> dict[str, str]:
    """Everything at and below ``folder`` that another user may open, with its mode."""
    paths = (folder, *folder.rglob("*"))
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in paths if not path.is_symlink()}
    return {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077}


async def worker_umask(pid: int) -> str:
    """The umask of the worker process, once it has started; from /proc."""
    async with asyncio.timeout(30):
        while not (umask := await asyncio.to_thread(_worker_umask, pid)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return umask


def _worker_umask(pid: int) -> str:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"engine.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            return Path(f"/proc/{child}/status").read_text().partition("Umask:")[2].split()[0]
    return ""


async def test_a_drawing_a_backup_and_a_running_bot_leave_nothing_readable(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir(0o755)
    environ = environment(data, SUGARBOT_WEB__PORT="0")
    code, said = await ended("say", "/sugar a face --seed 7", environ=environ)
    assert code == 0, said
    assert "now it is not" in said  # the folder was open
    assert list((data / "pictures").glob("*.png"))
    assert list((data / "out").glob("*.png")), "pictures of `say --out` are private, too"
    code, said = await ended("db", "backup", environ=environ)
    assert code == 0, said
    assert "now it is not" not in said
    async with sugarbot("run", environ=environ) as process:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while b"http://" not in (line := await process.stdout.readline()):
                assert line, "it ended"
        assert (data / "sugarbot.db-wal").exists()
        assert loose_in(data) == {}
        assert await worker_umask(process.pid) == "0077"
        log = asyncio.create_task(process.stdout.read(), name="log")
    await log
    assert process.returncode == 0
    assert loose_in(data) == {}


async def test_the_shell_explains_what_a_command_on_the_database_cannot_do(tmp_path: Path) -> None:
    environ = environment(tmp_path)
    code, said = await ended("db", "check", environ=environ)
    assert code == 0, said
    (tmp_path / "file").touch()
    for words in (
        ("restore", str(tmp_path / "nope")),
        ("backup", "--to", str(tmp_path / "file" / "backups")),
    ):
        code, said = await ended("db", *words, environ=environ)
        assert code == 1
        assert words[-1] in said
        assert "Traceback" not in said
