"""The cost book: sensible before it knows anything, soon right, and one model of costs for each key."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import CONTEXT_BYTES, Plan, WeightFormat, WeightLocation
from engine.planner.costs.book import MOST_KEYS, CostBook
from engine.planner.costs.file import read_costs, write_costs
from engine.request import (
    Cell,
    Failed,
    FailReason,
    Stopped,
    TimeEstimate,
    WorkerInfo,
)
from tests.unit.engine.planner.cost_helpers import (
    GIB,
    SUGAR,
    WEIGHTS,
    a_worker,
    make_book,
    make_finished,
    make_request,
)

TWO_COPIES, ONE_COPY = Plan(), Plan(base=WeightLocation.PINNED)


def test_before_anything_was_measured_a_turbo_picture_fits_a_24_gib_card_and_takes_seconds() -> None:
    cost = make_book().predict(512, 768, 1, 1)
    assert WEIGHTS < cost.bytes < 22 * GIB
    assert 5 < cost.seconds < 15
    assert make_book().estimate_of(cost.seconds) is None


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


def test_a_sheet_teaches_the_seconds_of_the_steps_that_its_cells_took() -> None:
    book, cells = make_book(), (Cell("a", (SUGAR,), 7, steps=8), Cell("a", (), 7, steps=4))
    book.learn(replace(make_request(count=2), cells=cells), make_finished(12))
    assert book.predict(512, 768, 1, 1, 8).seconds == pytest.approx(8)


def test_a_wait_is_a_range_of_measured_errors() -> None:
    book = make_book()
    assert book.estimate_of(10) is None
    book.learn(make_request(), make_finished(10))
    first = book.estimate_of(10)
    assert first is not None
    assert first.least_s < 8 < 12 < first.most_s  # one job is little evidence
    for _ in range(30):
        for seconds in (9, 10, 10, 10, 11):
            book.learn(make_request(), make_finished(seconds))
    known = book.estimate_of(20)
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
    high = book.predict(512, 768, 1, 0).bytes
    assert WEIGHTS + 5 * GIB <= high <= 1.011 * (WEIGHTS + 5 * GIB)
    book.learn(make_request(), make_finished(peak_bytes=WEIGHTS + GIB))
    lower = book.predict(512, 768, 1, 0).bytes
    assert high - 0.1 * GIB < lower < high
    for _ in range(300):
        book.learn(make_request(), make_finished(peak_bytes=WEIGHTS + GIB))
    assert book.predict(512, 768, 1, 0).bytes == pytest.approx(WEIGHTS + GIB, rel=0.015)


def test_what_the_worker_keeps_is_the_floor_of_the_next_prediction() -> None:
    """It keeps a merged copy of 11 GiB after the first LoRA, and gives it up when others need the memory."""
    book = make_book()
    kept = WEIGHTS + 11 * GIB
    book.learn(make_request(), make_finished(peak_bytes=kept + GIB, kept_bytes=kept))
    assert book.predict(512, 768, 1, 0).bytes == pytest.approx(kept + GIB, rel=0.011)
    book.learn(make_request(), make_finished(peak_bytes=WEIGHTS + GIB, kept_bytes=WEIGHTS))
    assert book.predict(512, 768, 1, 0).bytes == pytest.approx(WEIGHTS + GIB, rel=0.011)


def test_a_job_may_start_when_the_least_that_its_worker_needs_is_free() -> None:
    book = make_book()
    assert book.predict(512, 768, 1, 0).needed_bytes == book.predict(512, 768, 1, 0).bytes
    kept = WEIGHTS + 11 * GIB
    end = replace(make_finished(peak_bytes=kept + GIB, kept_bytes=kept), yields_bytes=11 * GIB)
    book.learn(make_request(), end)
    cost = book.predict(512, 768, 1, 0)
    assert cost.bytes - cost.needed_bytes == 11 * GIB


def test_blocks_that_move_with_the_size_of_a_picture_are_predicted_for_that_size() -> None:
    """A large picture takes the place of some blocks, which come back for the next small one."""
    book, peak = make_book(), WEIGHTS + 8 * GIB
    small, large = (512, 768, GIB), (1024, 1024, 3 * GIB)
    for width, height, own in (small, large, small, large):
        movable = peak - own - WEIGHTS
        end = replace(make_finished(peak_bytes=peak, kept_bytes=WEIGHTS + movable), yields_bytes=movable)
        book.learn(make_request(width, height), end)
    for width, height, own in (small, large):
        cost = book.predict(width, height, 1, 0)
        assert cost.bytes == pytest.approx(peak, rel=0.011)
        assert cost.needed_bytes == pytest.approx(WEIGHTS + own, rel=0.02)
    between = book.predict(768, 768, 1, 0)  # nearer to the small one
    assert peak < between.bytes < peak + 2 * GIB
    book.started(a_worker())
    assert book.predict(*small[:2], 1, 0).bytes == pytest.approx(WEIGHTS + GIB, rel=0.02)


def test_no_more_is_predicted_than_the_plan_lets_the_worker_hold() -> None:
    book, most = CostBook(), WEIGHTS + 2 * GIB
    plan = Plan(base=WeightLocation.PINNED, resident_blocks=9, budget_bytes=most + CONTEXT_BYTES)
    for planned, expected in ((plan, most), (replace(plan, budget_bytes=None), WEIGHTS + 3 * GIB)):
        book.started(a_worker(), planned)
        end = make_finished(peak_bytes=WEIGHTS + 3 * GIB, kept_bytes=WEIGHTS)
        book.learn(make_request(), replace(end, yields_bytes=2 * GIB))
        cost = book.predict(512, 768, 1, 0)
        assert cost.bytes == pytest.approx(expected, rel=0.011)
        assert cost.needed_bytes == pytest.approx(WEIGHTS + GIB, rel=0.011)
    book.started(a_worker(), replace(plan, budget_bytes=WEIGHTS // 2))
    book.learn(make_request(), make_finished(peak_bytes=WEIGHTS + GIB, kept_bytes=WEIGHTS))
    cost = book.predict(512, 768, 1, 0)
    assert cost.bytes == cost.needed_bytes  # even if the plan does not allow it


def test_a_second_copy_counts_for_every_size_while_it_is_kept_and_for_none_when_it_is_not() -> None:
    book = CostBook()
    book.started(a_worker(), TWO_COPIES)
    copy = 11 * GIB
    for size, copy_bytes in (((512, 768), 0), ((1024, 1024), copy), ((512, 768), 0)):
        kept = WEIGHTS + copy_bytes
        end = replace(make_finished(peak_bytes=kept + GIB, kept_bytes=kept), yields_bytes=copy_bytes)
        book.learn(make_request(*size), end)
        assert book.predict(512, 768, 1, 0).bytes == pytest.approx(kept + GIB, rel=0.011)
    assert book.predict(1024, 1024, 1, 0).bytes == pytest.approx(WEIGHTS + GIB, rel=0.011)


def test_more_than_a_worker_keeps_cannot_be_given_up() -> None:
    book = make_book()
    end = make_finished(peak_bytes=WEIGHTS + GIB, kept_bytes=WEIGHTS)
    book.learn(make_request(), replace(end, yields_bytes=2 * WEIGHTS))
    cost = book.predict(512, 768, 1, 0)
    assert cost.needed_bytes == pytest.approx(GIB, rel=0.02)
    assert cost.bytes == pytest.approx(WEIGHTS + GIB, rel=0.011)


def test_the_first_lora_of_a_plan_with_two_copies_needs_the_second_copy() -> None:
    two, one = CostBook(), CostBook()
    two.started(a_worker(), TWO_COPIES)
    one.started(a_worker(), ONE_COPY)
    for book, extra in ((two, 10.6), (one, 0.0)):
        without, with_lora = book.predict(512, 768, 1, 0).bytes, book.predict(512, 768, 1, 1).bytes
        assert (with_lora - without) / GIB == pytest.approx(extra + 160 / 1024, abs=0.1)
    kept = WEIGHTS + 11 * GIB
    two.learn(make_request(), make_finished(peak_bytes=kept + GIB, kept_bytes=kept))
    assert two.predict(512, 768, 1, 1).bytes == pytest.approx(kept + GIB, rel=0.02)


def test_loras_take_no_more_than_their_cache() -> None:
    book = CostBook()
    book.started(a_worker(), replace(ONE_COPY, lora_cache_bytes=GIB))
    end = make_finished(peak_bytes=WEIGHTS + 2 * GIB, kept_bytes=WEIGHTS + GIB)
    book.learn(make_request(), replace(end, lora_bytes=GIB))
    full = book.predict(512, 768, 1, 1).bytes
    assert full == book.predict(512, 768, 1, 0).bytes
    book.learn(make_request(), replace(end, lora_bytes=GIB // 2))
    assert book.predict(512, 768, 1, 4).bytes - full == pytest.approx(GIB // 2, rel=0.02)


@pytest.mark.parametrize("cache_bytes", [GIB // 5, GIB])
def test_a_lora_that_is_not_low_rank_counts_with_all_its_bytes(cache_bytes: int) -> None:
    """It may exceed the cache of the card: then it is the only one there."""
    book = CostBook()
    book.started(a_worker(), replace(ONE_COPY, lora_cache_bytes=cache_bytes))
    usual, large = (book.predict(512, 768, 1, 1, extra_bytes=each).bytes for each in (0, 2 * GIB))
    assert usual == book.predict(512, 768, 1, 1).bytes
    assert large - usual == 2 * GIB


def test_running_out_of_memory_raises_the_guess() -> None:
    book = make_book()
    before = book.predict(1024, 1024, 1, 0).bytes
    book.learn(make_request(), Failed("j", 1, FailReason.OUT_OF_MEMORY))
    assert book.predict(1024, 1024, 1, 0).bytes - WEIGHTS == pytest.approx((before - WEIGHTS) * 1.1, rel=1e-6)


def test_a_card_that_others_filled_for_a_day_does_not_teach_that_nothing_ever_fits() -> None:
    book = make_book()
    before = book.predict(512, 768, 1, 0).bytes
    for _ in range(100):
        book.learn(make_request(), Failed("j", 1, FailReason.OUT_OF_MEMORY))
    doubtful = book.predict(512, 768, 1, 0).bytes
    assert doubtful - WEIGHTS == pytest.approx((before - WEIGHTS) * 1.5, rel=1e-6)
    for _ in range(300):
        book.learn(make_request(), make_finished(peak_bytes=before))
    assert book.predict(512, 768, 1, 0).bytes == pytest.approx(before, rel=0.015)


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
    assert not book.knows_weights


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 2**40)), max_size=20))
def test_any_measurements_leave_usable_costs(measured: list[tuple[float, int]]) -> None:
    book = make_book()
    for seconds, peak_bytes in measured:
        book.learn(make_request(), make_finished(seconds, peak_bytes))
    cost = book.predict(512, 768, 1, 1)
    assert cost.bytes >= WEIGHTS
    assert cost.seconds > 0
    span = book.estimate_of(cost.seconds)
    assert (span is not None) == bool(measured)
    assert span is None or 0 < span.least_s <= span.most_s


def test_new_costs_for_all_who_wait_are_news_only_if_they_differ_much() -> None:
    book = make_book()
    before = book.revision
    book.learn(make_request(), make_finished(0.3))
    assert book.revision == before + 1
    for _ in range(20):
        book.learn(make_request(), make_finished(0.31))
    assert book.revision == before + 1
    book.learn(make_request(), make_finished(0.6))
    assert book.revision == before + 2
    book.started(a_worker())
    assert book.revision == before + 3


def test_a_calibration_teaches_bytes_and_a_first_job_replaces_its_seconds() -> None:
    book = make_book()
    assert not book.is_calibrated
    book.learn(make_request(), make_finished(4, WEIGHTS + 2 * GIB), is_job=False)
    assert book.is_calibrated
    assert book.predict(512, 768, 1, 0).bytes == pytest.approx(WEIGHTS + 2 * GIB, rel=0.011)
    assert book.predict(512, 768, 1, 0).seconds == pytest.approx(4)
    assert book.estimate_of(1.0) is None  # no person's job was measured
    book.learn(make_request(), make_finished(0.3, WEIGHTS + 2 * GIB))
    assert book.predict(512, 768, 1, 0).seconds == pytest.approx(0.3)
    book.learn(make_request(), make_finished(4, WEIGHTS + 2 * GIB), is_job=False)
    assert book.predict(512, 768, 1, 0).seconds == pytest.approx(0.3)


def book_with(tmp_path: Path, ratios: list[float]) -> CostBook:
    """A book in which so many jobs took these parts of the predicted seconds."""
    model = {"jobs": len(ratios) + 1, "ratios": ratios}
    (tmp_path / "cost.json").write_text(json.dumps({"about": "a", "models": {"a card": model}}))
    return read_costs(tmp_path / "cost.json", "a")


def test_eight_jobs_are_too_few_for_a_narrow_range_and_nine_are_enough(tmp_path: Path) -> None:
    assert book_with(tmp_path, [1.0] * 8).estimate_of(10) == TimeEstimate(7, 15)
    assert book_with(tmp_path, [1.0] * 9).estimate_of(10) == TimeEstimate(10, 10)


def test_few_jobs_may_make_the_range_wider_than_the_guess(tmp_path: Path) -> None:
    assert book_with(tmp_path, [0.5, 1.0, 3.0]).estimate_of(10) == TimeEstimate(5, 30)


def test_a_range_leaves_out_one_job_in_ten_at_each_end(tmp_path: Path) -> None:
    ratios = [0.2, 0.8, *[1.0] * 15, 1.2, 9.0]
    assert book_with(tmp_path, ratios).estimate_of(10) == TimeEstimate(8, 12)


def test_the_range_is_that_of_the_fifty_newest_jobs(tmp_path: Path) -> None:
    book = book_with(tmp_path, [2.0] * 5 + [1.0] * 45)
    assert book.estimate_of(10) == TimeEstimate(10, 20)
    request = make_request()
    predicted = book.predict(request.width_px, request.height_px, request.count, 1)
    book.learn(request, make_finished(predicted.seconds))
    assert book.estimate_of(10) == TimeEstimate(10, 10)  # the oldest of the five slow ones is forgotten


@pytest.mark.parametrize(
    "other",
    [
        (a_worker("NVIDIA H200"), None, "580"),
        (a_worker(dtype="float32"), None, "580"),
        (a_worker(torch="2.12"), None, "580"),
        (a_worker(), None, "590"),
        (a_worker(), ONE_COPY, "580"),
    ],
)
def test_what_was_learned_holds_for_its_card_driver_version_and_plan_alone(
    tmp_path: Path, other: tuple[WorkerInfo, Plan | None, str]
) -> None:
    book = CostBook("turbo on auto")
    book.started(a_worker(), None, "580")
    book.learn(make_request(), make_finished(0.7, WEIGHTS + GIB))
    write_costs(book, tmp_path / "cost.json")
    same = read_costs(tmp_path / "cost.json", "turbo on auto")
    assert same.knows_weights  # from the last run
    same.started(a_worker(), None, "580")
    assert same.estimate_of(1.0) == book.estimate_of(1.0)
    assert same.is_calibrated
    same.started(*other)
    assert same.estimate_of(1.0) is None
    assert not same.is_calibrated
    assert same.predict(512, 768, 1, 1).bytes > WEIGHTS
    same.started(a_worker(), None, "580")  # the first plan comes back
    assert same.estimate_of(1.0) == book.estimate_of(1.0)


def test_the_engines_version_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_book()
    book.learn(make_request(), make_finished(0.7, WEIGHTS + GIB))
    monkeypatch.setattr("engine.planner.costs.book.importlib.metadata.version", lambda name: "99.0")
    book.started(a_worker())
    assert not book.is_calibrated


def test_a_new_worker_keeps_only_its_weights() -> None:
    book = make_book()
    kept = WEIGHTS + 11 * GIB
    book.learn(make_request(), make_finished(peak_bytes=kept + GIB, kept_bytes=kept))
    book.started(a_worker())
    assert book.predict(512, 768, 1, 0).bytes == pytest.approx(WEIGHTS + GIB, rel=0.011)


def test_a_book_keeps_the_keys_that_were_used_last(tmp_path: Path) -> None:
    book = CostBook("a")
    for number in range(MOST_KEYS + 3):
        book.started(a_worker(f"card {number}"))
        book.learn(make_request(), make_finished(0.7, WEIGHTS + GIB))
    write_costs(book, tmp_path / "cost.json")
    loaded = read_costs(tmp_path / "cost.json", "a")
    loaded.started(a_worker("card 3"))
    assert loaded.is_calibrated
    loaded.started(a_worker("card 2"))
    assert not loaded.is_calibrated


def test_a_plans_kind_names_its_layout_and_neither_budget_nor_blocks() -> None:
    streamed = Plan(
        weight_format=WeightFormat.INT8,
        base=WeightLocation.PINNED,
        resident_blocks=10,
        encoder=WeightLocation.PINNED,
        vae_in_parts=True,
    )
    assert streamed.kind == "int8, base pinned, streamed blocks, encoder pinned, tiles"
    assert replace(streamed, resident_blocks=9, budget_bytes=GIB).kind == streamed.kind
    assert TWO_COPIES.kind == "bf16, base card, all blocks, encoder card"


def test_the_first_prediction_is_the_measurement_of_the_stock_pipeline() -> None:
    assert make_book().predict(1024, 1024, 1, 0).bytes - WEIGHTS == pytest.approx(2.6 * GIB)
    assert make_book().predict(1024, 1024, 1, 2).bytes - WEIGHTS == pytest.approx(2.6 * GIB + 320 * 2**20)
    assert make_book().predict(512, 768, 1, 1).seconds == pytest.approx(8.4, rel=0.01)
