"""The file of costs: saved whole, read again, or refused."""

from pathlib import Path

import pytest
import structlog

from engine.planner.costs.book import CostBook
from engine.planner.costs.file import read_costs, write_costs
from tests.unit.engine.planner.cost_helpers import (
    GIB,
    WEIGHTS,
    a_worker,
    make_book,
    make_finished,
    make_request,
)


def test_what_was_learned_is_saved_and_loaded(tmp_path: Path) -> None:
    book = make_book()
    book.learn(make_request(), make_finished(0.7, WEIGHTS + GIB))
    write_costs(book, tmp_path / "cost.json")
    loaded = read_costs(tmp_path / "cost.json", "turbo on cuda")
    assert loaded.predict(512, 768, 2, 1) == book.predict(512, 768, 2, 1)
    assert loaded.estimate_of(1.0) == book.estimate_of(1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["cost.json"]


@pytest.mark.parametrize(("seconds", "peak_bytes"), [(0, 1), (1e18, 2**62)])
def test_a_book_is_read_again_however_odd_the_job_was(
    tmp_path: Path, seconds: float, peak_bytes: int
) -> None:
    book = make_book()
    book.learn(make_request(), make_finished())
    for _ in range(3):
        book.learn(make_request(), make_finished(seconds, peak_bytes, kept_bytes=peak_bytes // 2))
    write_costs(book, tmp_path / "cost.json")
    loaded = read_costs(tmp_path / "cost.json", "turbo on cuda")
    assert loaded.estimate_of(1.0) == book.estimate_of(1.0) is not None


def test_a_book_of_a_card_with_a_very_long_name_is_read_again(tmp_path: Path) -> None:
    book = CostBook("a")
    book.started(a_worker("NVIDIA " + "x" * 1000))
    write_costs(book, tmp_path / "cost.json")
    assert read_costs(tmp_path / "cost.json", "a").knows_weights


def test_another_model_or_device_starts_an_empty_book(tmp_path: Path) -> None:
    book = make_book()
    book.learn(make_request(), make_finished(0.7))
    write_costs(book, tmp_path / "cost.json")
    assert read_costs(tmp_path / "cost.json", "turbo on cpu").estimate_of(1.0) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"about": "turbo on cuda", "bytes_factor": 1.0, "seconds_factor": 2.0, "jobs": 3}',  # as of 0.1
        b'{"about": "turbo on cuda", "models": {"a": {"step_s": {"100": -1}}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"step_s": {"-100000": 1}}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"step_s": {"%s": 1}}}}' % (b"9" * 400),
        b'{"about": "turbo on cuda", "models": {"a": {"step_s": {"100": 1e308}}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"step_s": {"100": 5e-324}}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"picture_bytes": {"100": 1e308}}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"picture_bytes": {"100": 1e999}}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"doubt": "NaN"}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"unknown": 1}}}',
        b'{"about": "turbo on cuda", "models": {"a": {"jobs": 1, "ratios": [-1]}}}',
    ],
)
def test_a_broken_book_is_logged_once_and_learning_starts_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cost.json").write_bytes(content)
    with structlog.testing.capture_logs() as logs:
        book = read_costs(tmp_path / "cost.json", "turbo on cuda")
    assert len(logs) == 1
    assert book.predict(512, 768, 1, 1) == CostBook("turbo on cuda").predict(512, 768, 1, 1)


def test_a_missing_book_is_not_logged(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        read_costs(tmp_path / "cost.json", "turbo on cuda")
    assert logs == []


def test_a_book_that_cannot_be_saved_leaves_the_old_one_and_no_draft(tmp_path: Path) -> None:
    (tmp_path / "cost.json").mkdir()
    with pytest.raises(IsADirectoryError):
        write_costs(make_book(), tmp_path / "cost.json")
    assert [path.name for path in tmp_path.iterdir()] == ["cost.json"]
