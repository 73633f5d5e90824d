"""A published model arrives whole and proved, from the Hub, a mirror or ModelScope, or the error says why."""

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from bot.messages import format_error
from engine.checkpoint import download as download_module
from engine.checkpoint.download import download, downloaded_bytes, draft_folder
from engine.checkpoint.model import find_model
from engine.checkpoint.remote import list_remote
from engine.config import EngineConfig
from engine.errors import ModelDamaged, ModelNotDownloaded, ModelUnreachable
from tests.fakes.model_hub import ModelHub, model_hub
from tests.unit.engine.folders import write_model

REVISION = "0123456789abcdef0123456789abcdef01234567"
SOURCES = ("hub", "modelscope")
WEIGHTS = "text_encoder/model.safetensors"


@pytest.fixture(autouse=True)
def no_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ModelHub]:
    folder = write_model(tmp_path / "published")
    (folder / "weights.bin").write_bytes(b"\x80\x04pickle")
    with model_hub(folder, "owner/model", REVISION) as served:
        yield served


def config_of(tmp_path: Path, hub: ModelHub, source: str = "hub", revision: str = REVISION) -> EngineConfig:
    return EngineConfig(
        tmp_path / "data",
        tmp_path / "loras",
        model="owner/model",
        revision=revision,
        source=source,
        endpoint=hub.url,
    )


@pytest.mark.parametrize("source", SOURCES)
def test_a_model_is_downloaded_below_the_data_folder_without_pickles(
    tmp_path: Path, hub: ModelHub, source: str
) -> None:
    found = find_model(config_of(tmp_path, hub, source))
    assert found.folder == tmp_path / "data" / "models" / "owner--model" / REVISION
    assert found.name == "owner/model"
    needed = [path for path in hub.files if path != "weights.bin"]
    assert all((found.folder / path).read_bytes() == hub.files[path] for path in needed)
    assert not list(found.folder.rglob("*.bin"))
    assert not draft_folder(found.folder).exists()


@pytest.mark.parametrize("source", SOURCES)
def test_a_download_that_is_done_is_not_repeated(tmp_path: Path, hub: ModelHub, source: str) -> None:
    find_model(config_of(tmp_path, hub, source))
    hub.asked.clear()
    find_model(config_of(tmp_path, hub, source))
    assert not hub.asked


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("path", [WEIGHTS, "model_index.json"])
def test_a_file_with_another_content_is_removed_and_fetched_again_by_the_next_try(
    tmp_path: Path, hub: ModelHub, source: str, path: str
) -> None:
    config = config_of(tmp_path, hub, source)
    hub.stated[path] = "0" * 64
    with pytest.raises(ModelDamaged) as caught:
        find_model(config)
    assert path in str(caught.value)
    for locale in ("en", "zh-CN"):
        assert "sugarbot setup" in format_error(caught.value, locale)
    with pytest.raises(ModelNotDownloaded):  # nothing unproved is ever used
        find_model(config, download=False)
    hub.stated.clear()
    hub.asked.clear()
    find_model(config)
    fetched = [asked for asked, _ in hub.asked if any(asked.endswith(each) for each in hub.files)]
    assert any(asked.endswith(path) for asked in fetched)


def test_an_interrupted_file_of_modelscope_goes_on_where_it_stopped(tmp_path: Path, hub: ModelHub) -> None:
    hub.cut_at[WEIGHTS] = 40
    found = find_model(config_of(tmp_path, hub, "modelscope"))
    assert (found.folder / WEIGHTS).read_bytes() == hub.files[WEIGHTS]
    assert (WEIGHTS, "bytes=40-") in hub.asked


def test_the_bytes_on_the_disk_are_known_while_a_download_runs(tmp_path: Path, hub: ModelHub) -> None:
    config = config_of(tmp_path, hub)
    folder = tmp_path / "into"
    assert downloaded_bytes(folder) == 0
    hub.stated[WEIGHTS] = "0" * 64
    with pytest.raises(ModelDamaged):
        download(config, folder)
    assert downloaded_bytes(folder) > 0


def test_what_an_earlier_version_downloaded_in_part_is_used(tmp_path: Path, hub: ModelHub) -> None:
    config = config_of(tmp_path, hub, "modelscope")
    folder = tmp_path / "data" / "models" / "owner--model" / REVISION
    (folder / WEIGHTS).parent.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(hub.files[WEIGHTS])
    find_model(config)
    assert WEIGHTS not in [path for path, _ in hub.asked]


@pytest.mark.parametrize("source", SOURCES)
def test_the_newest_commit_and_the_size_are_asked_of_the_source(
    tmp_path: Path, hub: ModelHub, source: str
) -> None:
    found = list_remote(config_of(tmp_path, hub, source, revision=""))
    assert found.commit == REVISION
    needed = {path: len(content) for path, content in hub.files.items() if path != "weights.bin"}
    assert {file.path: file.size_bytes for file in found.files} == needed
    assert found.total_bytes == sum(needed.values())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("path", ["../outside.json", "/etc/outside.json"])
def test_a_name_that_leaves_the_folder_is_no_model(
    tmp_path: Path, hub: ModelHub, source: str, path: str
) -> None:
    hub.files[path] = b"{}"
    with pytest.raises(ModelUnreachable, match="no list of files"):
        find_model(config_of(tmp_path, hub, source))
    assert not (tmp_path / "data" / "models" / "outside.json").exists()


@pytest.mark.parametrize("source", SOURCES)
def test_an_unknown_commit_is_named(tmp_path: Path, hub: ModelHub, source: str) -> None:
    with pytest.raises(ModelUnreachable, match="HTTP 404") as caught:
        find_model(config_of(tmp_path, hub, source, revision="f" * 40))
    assert caught.value.facts["revision"] == "f" * 40


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (None, "ConnectError"),
        (b"", "RemoteProtocolError"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "403"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "no list of files"),
    ],
)
def test_an_unreachable_source_is_reported(
    tmp_path: Path, source: str, answer: bytes | None, word: str
) -> None:
    with socket.socket() as served:
        served.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{served.getsockname()[1]}"
        if answer is not None:
            served.listen()
            threading.Thread(target=answer_once, args=(served, answer), daemon=True).start()
        config = EngineConfig(
            tmp_path / "data",
            tmp_path / "loras",
            model="owner/model",
            revision=REVISION,
            source=source,
            endpoint=url,
        )
        with pytest.raises(ModelUnreachable, match=word) as caught:
            find_model(config)
    assert caught.value.facts["model"] == "owner/model"
    assert "engine.endpoint" in format_error(caught.value, "en")
    assert "engine.endpoint" in format_error(caught.value, "zh-CN")


def answer_once(served: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = served.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (RuntimeError(), "owner/model: RuntimeError"),
        (ValueError("\n"), "owner/model: ValueError"),
        (OSError("\n\n a reason\nand advice"), "owner/model: OSError: a reason"),
        (RuntimeError("\x1b[2Jxet"), r"owner/model: RuntimeError: \x1b[2Jxet"),
        (RuntimeError("no http://me:word@a/b"), "owner/model: RuntimeError: no http://me:***@a/b"),
        (RuntimeError("x" * 5000), "owner/model: " + ("RuntimeError: " + "x" * 5000)[:300]),
        (OSError(errno.ENOSPC, "No space left on device"), None),
    ],
)
def test_any_error_of_the_library_is_one_line_even_without_text(
    tmp_path: Path, hub: ModelHub, monkeypatch: pytest.MonkeyPatch, error: Exception, detail: str | None
) -> None:
    def snapshot_download(name: str, **options: object) -> str:
        if options.get("local_files_only"):
            raise huggingface_hub.errors.LocalEntryNotFoundError("not cached")
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(ModelUnreachable) as caught:
        find_model(config_of(tmp_path, hub))
    assert str(caught.value) == (detail or f"owner/model: no space left below {tmp_path / 'data'}")


def test_a_source_that_breaks_off_again_and_again_is_given_up(
    tmp_path: Path, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "MAX_INTERRUPTIONS", 1)
    hub.cut_at[WEIGHTS] = 1
    with pytest.raises(ModelUnreachable, match="RemoteProtocolError"):
        find_model(config_of(tmp_path, hub, "modelscope"))
