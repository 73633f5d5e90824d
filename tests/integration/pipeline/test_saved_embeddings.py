"""Embeddings on the disk: the same bits without the encoder, private, few, and never a damaged one."""

import os
import stat
import time
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from engine.config import PROMPTS, EngineConfig, Plan, WeightLocation
from engine.demo.networks import WEIGHTS
from engine.zimage.device import choose_placement
from engine.zimage.model_loader import PipelineParts, load_pipeline
from engine.zimage.pipeline import Pipeline
from engine.zimage.text import saved
from engine.zimage.text.encoder import TextEncoder
from engine.zimage.text.prompt import Text
from engine.zimage.text.saved import SavedEmbeddings

CPU = torch.device("cpu")
TOKENS = [7, 5, 3, 2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / PROMPTS


@pytest.fixture(scope="module")
def parts() -> PipelineParts:
    return load_pipeline(WEIGHTS, choose_placement("cpu"), encoder=WeightLocation.PINNED)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the prompts that pass the encoder."""
    lengths: list[int] = []
    real = TextEncoder.__call__

    def counting(encoder: TextEncoder, x: Tensor) -> Tensor:
        lengths.append(len(x))
        return real(encoder, x)

    monkeypatch.setattr(TextEncoder, "__call__", counting)
    return lengths


def kept(folder: Path, identity: str = "a model") -> SavedEmbeddings:
    return SavedEmbeddings(folder, identity, CPU)


def save(folder: Path, tokens: list[int], numbers: Tensor) -> Path:
    before = set(folder.glob("*"))
    embeddings = kept(folder)
    embeddings.save(tokens, numbers)
    embeddings.close()
    (path,) = set(folder.glob("*")) - before
    return path


def test_a_worker_that_starts_again_encodes_no_prompt_of_the_last_one(
    folder: Path, parts: PipelineParts, encoded: list[int]
) -> None:
    first = Text(parts.tokenizer, parts.text_encoder, kept(folder))
    expected = first.embed("a girl")
    first.close()
    assert len(encoded) == 1
    second = Text(parts.tokenizer, parts.text_encoder, kept(folder))
    assert torch.equal(second.embed("a girl"), expected)
    assert len(encoded) == 1
    second.embed("a boy")
    assert len(encoded) == 2
    second.close()


def test_embeddings_of_another_model_do_not_count(folder: Path) -> None:
    save(folder, TOKENS, torch.ones(4, 8))
    assert kept(folder).load(TOKENS) is not None
    assert kept(folder, "another").load(TOKENS) is None
    assert kept(folder).load([7, 5, 3]) is None


@pytest.mark.parametrize("fault", ["flipped", "shorter", "empty", "other numbers", "another length"])
def test_a_damaged_file_is_not_used(folder: Path, fault: str) -> None:
    path = save(folder, TOKENS, torch.ones(4, 8))
    content = bytearray(path.read_bytes())
    match fault:
        case "flipped":
            content[-1] ^= 1
            path.write_bytes(content)
        case "shorter":
            path.write_bytes(content[:-5])
        case "empty":
            path.write_bytes(b"")
        case "other numbers":
            path.write_bytes(saved.save({"another": torch.ones(1)}))
        case _:
            save(folder, TOKENS[:3], torch.ones(4, 8)).replace(kept(folder)._path(TOKENS[:3]))
    tokens = TOKENS[:3] if fault == "another length" else TOKENS
    with capture_logs() as logs:
        assert kept(folder).load(tokens) is None
    assert [line["log_level"] for line in logs] == ["warning"]


def test_only_the_owner_reads_them(folder: Path) -> None:
    path = save(folder, TOKENS, torch.ones(4, 8))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_oldest_of_too_many_and_those_of_the_last_week_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "MAX_FILES", 3)
    now_s = time.time()
    for age in reversed(range(5)):
        path = save(folder, [age], torch.ones(1, 8))
        os.utime(path, (now_s - 1_000 - age, now_s - 1_000 - age))
    kept(folder).close()
    assert [age for age in range(5) if kept(folder).load([age]) is not None] == [0, 1, 2]
    old = kept(folder)._path([1])
    os.utime(old, (now_s - saved.MAX_AGE_S - 60,) * 2)
    assert kept(folder).load([1]) is None
    kept(folder).close()
    assert not old.exists()


def test_nothing_is_saved_on_a_disk_that_is_nearly_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "LEAST_FREE_BYTES", 2**62)
    embeddings = kept(folder)
    embeddings.save(TOKENS, torch.ones(4, 8))
    embeddings.close()
    assert not list(folder.glob("*"))


def test_a_folder_that_cannot_be_written_costs_a_log_line(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"")
    with capture_logs() as logs:
        embeddings = kept(tmp_path / "a file" / "prompts")
        embeddings.save(TOKENS, torch.ones(4, 8))
        embeddings.close()
    assert "embedding not saved" in [line["event"] for line in logs]


@pytest.mark.parametrize("location", list(WeightLocation))
def test_only_an_encoder_that_is_brought_in_saves_embeddings(
    location: WeightLocation, tmp_path: Path
) -> None:
    config = EngineConfig(tmp_path, tmp_path / "loras", device="cpu", plan=Plan(encoder=location))
    pipeline = Pipeline.load(config)
    pipeline._text.embed("a girl")
    pipeline.close()
    assert len(list((tmp_path / PROMPTS).glob("*"))) == (location is not WeightLocation.CARD)
