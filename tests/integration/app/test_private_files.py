"""Under any umask only the owner can read the bot's files, and it repairs the modes of older versions."""

import asyncio
import contextlib
import stat
from pathlib import Path

import pytest

from tests.integration.app.conftest import environment, run_to_end, sugarbot

pytestmark = [pytest.mark.usefixtures("_open_umask"), pytest.mark.slow]


def loose_in(folder: Path) -> dict[str, str]:
    """All files in ``folder`` that other users can open, with their modes."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # a running bot replaces files
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & 0o077:
                found[str(path)] = oct(stat.S_IMODE(mode))
    return found


async def worker_umask(pid: int) -> str:
    """Wait for the worker process; return its umask from /proc."""
    async with asyncio.timeout(30):
        while not (umask := await asyncio.to_thread(_worker_umask, pid)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return umask


def _worker_umask(pid: int) -> str:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"engine.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            return Path(f"/proc/{child}/status").read_text().partition("Umask:")[2].split()[0]
    return ""


async def test_no_file_of_a_job_a_backup_or_a_running_bot_is_readable_by_others(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir(0o755)
    environ = environment(data, SUGARBOT_WEB__PORT="0")
    code, output = await run_to_end("say", "/sugar a face --seed 7", environ=environ)
    assert code == 0, output
    assert "is private now" in output  # the folder was open
    assert list((data / "pictures").glob("*/*.png"))
    assert list((data / "out").glob("*.png")), "pictures of `say --out` are private, too"
    code, output = await run_to_end("db", "backup", environ=environ)
    assert code == 0, output
    assert "is private now" not in output
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


async def test_failed_database_commands_explain_themselves(tmp_path: Path) -> None:
    environ = environment(tmp_path)
    code, output = await run_to_end("say", "/quota", environ=environ)
    assert code == 0, output
    (tmp_path / "file").touch()
    for words in (
        ("restore", str(tmp_path / "nope")),
        ("backup", "--to", str(tmp_path / "file" / "backups")),
    ):
        code, output = await run_to_end("db", *words, environ=environ)
        assert code == 1
        assert words[-1] in output
        assert "Traceback" not in output
