"""The cost book: sensible before it knows anything, and soon right."""

import json
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from engine.planner.cost import CostBook
from engine.request import (
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    RenderRequest,
    Stopped,
    TimeEstimate,
    Timings,
    WorkerInfo,
)

GIB = 2**30
WEIGHTS = 19 * GIB
SUGAR = LoraChoice("sugar", "ab" * 32)


def make_book() -> CostBook:
    book = CostBook("turbo on cuda")
    book.started(WorkerInfo(1, "cuda:0", "a card", "bfloat16", "", "turbo", 1, WEIGHTS))
    return book


def make_request(width: int = 512, height: int = 768, count: int = 1) -> RenderRequest:
    return RenderRequest("j", 1, "a face", width, height, 7, count, (SUGAR,))


def make_finished(seconds: float = 1, peak_bytes: int = 0) -> Finished:
    return Finished("j", 1, Timings(denoise_s=seconds), peak_bytes)


def test_before_anything_was_measured_a_turbo_picture_fits_a_24_gib_card_and_takes_seconds() -> None:
    cost = make_book().predict(512, 768, 1, 1)
    assert WEIGHTS < cost.bytes < 22 * GIB
    assert 5 < cost.seconds < 15
    assert make_book().estimate_of(cost.work) is None


def test_larger_pictures_take_more_bytes_and_seconds_and_more_pictures_more_seconds_alone() -> None:
    book = make_book()
    one, larger, four = (book.predict(*size, 1) for size in ((512, 512, 1), (1024, 1024, 1), (512, 512, 4)))
    assert larger.bytes > one.bytes
    assert larger.seconds > 3 * one.seconds
    assert four.bytes == one.bytes
    assert four.seconds > 3 * one.seconds


def test_the_first_measurement_of_seconds_counts_in_full_and_later_ones_are_followed() -> None:
    book = make_book()
    book.learn(make_request(), make_finished(0.5))
    assert book.predict(512, 768, 1, 1).seconds == pytest.approx(0.5)
    for _ in range(20):
        book.learn(make_request(), make_finished(2))
    assert book.predict(512, 768, 1, 1).seconds == pytest.approx(2, rel=0.05)


def test_a_wait_is_a_range_of_measured_errors() -> None:
    book = make_book()
    work = book.predict(512, 768, 1, 1).work
    assert book.estimate_of(work) is None
    book.learn(make_request(), make_finished(10))
    first = book.estimate_of(work)
    assert first is not None
    assert first.least_s < 8 < 12 < first.most_s  # one job is little evidence
    for _ in range(30):
        for seconds in (9, 10, 10, 10, 11):
            book.learn(make_request(), make_finished(seconds))
    known = book.estimate_of(2 * work)
    assert known is not None
    assert 16 < known.least_s < 20 < known.most_s < 24


def test_steady_jobs_have_a_narrow_range_and_restless_ones_a_wide_one() -> None:
    steady, restless = make_book(), make_book()
    for seconds in (10, 10, 10, 10) * 10:
        steady.learn(make_request(), make_finished(seconds))
    for seconds in (5, 20, 5, 20) * 10:
        restless.learn(make_request(), make_finished(seconds))
    narrow, wide = steady.estimate_of(1.0), restless.estimate_of(1.0)
    assert narrow is not None
    assert wide is not None
    assert narrow.most_s == pytest.approx(narrow.least_s, rel=0.01)
    assert wide.most_s > 2 * wide.least_s


def test_a_higher_peak_is_learned_at_once_and_a_lower_one_slowly() -> None:
    book = make_book()
    book.learn(make_request(), make_finished(peak_bytes=WEIGHTS + 5 * GIB))
    high = book.predict(512, 768, 1, 1).bytes
    assert high == pytest.approx(WEIGHTS + 5 * GIB, rel=1e-6)
    book.learn(make_request(), make_finished(peak_bytes=WEIGHTS + GIB))
    lower = book.predict(512, 768, 1, 1).bytes
    assert high - 0.1 * GIB < lower < high
    for _ in range(300):
        book.learn(make_request(), make_finished(peak_bytes=WEIGHTS + GIB))
    assert book.predict(512, 768, 1, 1).bytes == pytest.approx(WEIGHTS + GIB, rel=0.01)


def test_running_out_of_memory_raises_the_guess() -> None:
    book = make_book()
    before = book.predict(1024, 1024, 1, 0).bytes
    book.learn(make_request(), Failed("j", 1, FailReason.OUT_OF_MEMORY))
    assert book.predict(1024, 1024, 1, 0).bytes - WEIGHTS == pytest.approx((before - WEIGHTS) * 1.1, rel=1e-6)


def test_a_card_that_others_filled_for_a_day_does_not_teach_that_nothing_ever_fits() -> None:
    book = make_book()
    before = book.predict(512, 768, 1, 1).bytes
    for _ in range(100):
        book.learn(make_request(), Failed("j", 1, FailReason.OUT_OF_MEMORY))
    doubtful = book.predict(512, 768, 1, 1).bytes
    assert doubtful - WEIGHTS == pytest.approx((before - WEIGHTS) * 1.5, rel=1e-6)
    for _ in range(300):
        book.learn(make_request(), make_finished(peak_bytes=before))
    assert book.predict(512, 768, 1, 1).bytes == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("outcome", [Stopped("j", 1), Failed("j", 1, FailReason.WORKER_ERROR)])
def test_a_job_that_did_not_finish_teaches_nothing(outcome: Stopped | Failed) -> None:
    book = make_book()
    before = book.predict(512, 768, 1, 1)
    book.learn(make_request(), outcome)
    assert book.predict(512, 768, 1, 1) == before


def test_peaks_teach_nothing_while_the_weights_are_unknown() -> None:
    book = CostBook("turbo on cuda")
    before = book.predict(512, 768, 1, 1).bytes
    book.learn(make_request(), make_finished(peak_bytes=30 * GIB))
    assert book.predict(512, 768, 1, 1).bytes == before


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 2**40)), max_size=20))
def test_any_measurements_leave_usable_costs(measured: list[tuple[float, int]]) -> None:
    book = make_book()
    for seconds, peak_bytes in measured:
        book.learn(make_request(), make_finished(seconds, peak_bytes))
    cost = book.predict(512, 768, 1, 1)
    assert cost.bytes >= WEIGHTS
    assert cost.seconds > 0
    span = book.estimate_of(cost.work)
    assert (span is not None) == bool(measured)
    assert span is None or 0 < span.least_s <= span.most_s


def test_what_was_learned_is_saved_and_loaded(tmp_path: Path) -> None:
    book = make_book()
    book.learn(make_request(), make_finished(0.7))
    book.save(tmp_path / "cost.json")
    loaded = CostBook.load(tmp_path / "cost.json", "turbo on cuda")
    assert loaded.predict(512, 768, 2, 1).seconds == book.predict(512, 768, 2, 1).seconds
    assert loaded.estimate_of(1.0) == book.estimate_of(1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["cost.json"]


@pytest.mark.parametrize(("seconds", "peak_bytes"), [(0, 1), (1e18, 2**62)])
def test_a_book_is_read_again_however_odd_the_job_was(
    tmp_path: Path, seconds: float, peak_bytes: int
) -> None:
    book = make_book()
    book.learn(make_request(), make_finished())
    for _ in range(3):
        book.learn(make_request(), make_finished(seconds, peak_bytes))
    book.save(tmp_path / "cost.json")
    loaded = CostBook.load(tmp_path / "cost.json", "turbo on cuda")
    assert loaded.estimate_of(1.0) == book.estimate_of(1.0) is not None
    assert json.loads((tmp_path / "cost.json").read_bytes())["jobs"] == 4


def test_a_book_of_a_card_with_a_very_long_name_is_read_again(tmp_path: Path) -> None:
    book = CostBook("a")
    book.started(a_worker("NVIDIA " + "x" * 1000))
    book.save(tmp_path / "cost.json")
    assert CostBook.load(tmp_path / "cost.json", "a").knows_weights


def test_a_book_of_the_version_before_ranges_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text(
        '{"about": "a", "bytes_factor": 1.0, "seconds_factor": 2.0, "jobs": 3}'
    )
    assert CostBook.load(tmp_path / "cost.json", "a").estimate_of(1.0) is not None


def load_book(folder: Path, ratios: list[float]) -> CostBook:
    """A book in which so many jobs took these parts of the predicted seconds."""
    book = {"about": "a", "seconds_factor": 1.0, "jobs": len(ratios) + 1, "ratios": ratios}
    (folder / "cost.json").write_text(json.dumps(book))
    return CostBook.load(folder / "cost.json", "a")


def test_seven_jobs_are_too_few_for_a_narrow_range_and_eight_are_enough(tmp_path: Path) -> None:
    assert load_book(tmp_path, [1.0] * 7).estimate_of(10) == TimeEstimate(7, 15)
    assert load_book(tmp_path, [1.0] * 8).estimate_of(10) == TimeEstimate(10, 10)


def test_few_jobs_may_make_the_range_wider_than_the_guess(tmp_path: Path) -> None:
    assert load_book(tmp_path, [0.5, 1.0, 3.0]).estimate_of(10) == TimeEstimate(5, 30)


def test_one_job_in_ten_may_be_below_the_range_and_one_above_it(tmp_path: Path) -> None:
    assert load_book(tmp_path, [0.2, 0.8, *[1.0] * 7, 1.2, 9.0]).estimate_of(10) == TimeEstimate(8, 12)


def test_the_range_is_that_of_the_fifty_newest_jobs(tmp_path: Path) -> None:
    book = load_book(tmp_path, [2.0] * 6 + [1.0] * 44)
    assert book.estimate_of(10) == TimeEstimate(10, 20)
    request = make_request()
    predicted = book.predict(request.width_px, request.height_px, request.count, 1)
    book.learn(request, make_finished(predicted.seconds))
    assert book.estimate_of(10) == TimeEstimate(10, 10)  # the oldest of the six slow ones is forgotten
    book.save(tmp_path / "cost.json")
    assert CostBook.load(tmp_path / "cost.json", "a").estimate_of(10) == TimeEstimate(10, 10)


def a_worker(name: str = "NVIDIA A10", dtype: str = "bfloat16", torch: str = "2.11") -> WorkerInfo:
    return WorkerInfo(1, "cuda:0", name, dtype, "", "turbo", 1, WEIGHTS, {"torch": torch})


@pytest.mark.parametrize(
    "other", [a_worker("NVIDIA H200"), a_worker(dtype="float32"), a_worker(torch="2.12")]
)
def test_what_was_learned_on_a_card_holds_for_that_card_alone(tmp_path: Path, other: WorkerInfo) -> None:
    book = CostBook("turbo on auto")
    book.started(a_worker())
    book.learn(make_request(), make_finished(0.7))
    book.save(tmp_path / "cost.json")
    same = CostBook.load(tmp_path / "cost.json", "turbo on auto")
    assert same.knows_weights  # from the last run
    same.started(a_worker())
    assert same.estimate_of(1.0) == book.estimate_of(1.0)
    same.started(other)
    assert same.estimate_of(1.0) is None
    assert same.predict(512, 768, 1, 1).bytes > WEIGHTS


def test_seconds_become_work_by_what_was_learned_and_work_never_changes() -> None:
    book = make_book()
    before = book.predict(512, 768, 1, 1).work
    assert book.work_of(3.0) == 3.0
    book.learn(make_request(), make_finished(before / 2))
    assert book.predict(512, 768, 1, 1).work == before
    assert book.work_of(3.0) == pytest.approx(6.0)
    assert not CostBook().knows_weights


def test_another_model_or_device_starts_an_empty_book(tmp_path: Path) -> None:
    book = make_book()
    book.learn(make_request(), make_finished(0.7))
    book.save(tmp_path / "cost.json")
    assert CostBook.load(tmp_path / "cost.json", "turbo on cpu").estimate_of(1.0) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"about": "turbo on cuda", "seconds_factor": -1}',
        b'{"about": "turbo on cuda", "bytes_factor": 1e999}',
        b'{"about": "turbo on cuda", "bytes_factor": "NaN"}',
        b'{"about": "turbo on cuda", "unknown": 1}',
        b'{"about": "turbo on cuda", "jobs": 1, "ratios": [-1]}',
    ],
)
def test_a_broken_book_is_logged_once_and_learning_starts_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cost.json").write_bytes(content)
    with structlog.testing.capture_logs() as logs:
        book = CostBook.load(tmp_path / "cost.json", "turbo on cuda")
    assert len(logs) == 1
    assert book.predict(512, 768, 1, 1) == CostBook("turbo on cuda").predict(512, 768, 1, 1)


def test_a_missing_book_is_not_logged(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        CostBook.load(tmp_path / "cost.json", "turbo on cuda")
    assert logs == []


def test_a_book_that_cannot_be_saved_leaves_the_old_one_and_no_draft(tmp_path: Path) -> None:
    (tmp_path / "cost.json").mkdir()
    with pytest.raises(IsADirectoryError):
        make_book().save(tmp_path / "cost.json")
    assert [path.name for path in tmp_path.iterdir()] == ["cost.json"]


def test_the_first_prediction_is_the_measurement_of_the_stock_pipeline() -> None:
    assert make_book().predict(1024, 1024, 1, 0).bytes - WEIGHTS == pytest.approx(2.6 * GIB)
    assert make_book().predict(1024, 1024, 1, 2).bytes - WEIGHTS == pytest.approx(2.6 * GIB + 320 * 2**20)
    assert make_book().predict(512, 768, 1, 1).seconds == pytest.approx(8.4, rel=0.01)
