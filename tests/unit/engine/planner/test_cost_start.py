"""The costs of pictures that begin with an earlier one, and of pictures larger than any from noise."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import Plan
from engine.planner.costs.book import CostBook, along, value_at
from engine.planner.costs.file import read_costs, write_costs
from engine.planner.costs.priors import STEP_S
from engine.request import Finished, RenderRequest, StartPicture, Timings
from tests.unit.engine.planner.cost_helpers import (
    GIB,
    WEIGHTS,
    a_worker,
    make_book,
    make_finished,
    make_request,
)


def started(strength: float, width: int = 512, height: int = 768, count: int = 1) -> RenderRequest:
    return replace(make_request(width, height, count), start=StartPicture(b"png", strength))


def end(request: RenderRequest, step_s: float, start_s: float, rest_s: float = 0.1) -> Finished:
    """What a job takes whose steps take so long, its start once, and the rest for each picture."""
    count = request.count
    return Finished(
        "j",
        1,
        Timings(denoise_s=step_s * request.steps_taken * count, decode_s=rest_s * count, start_s=start_s),
    )


def test_only_the_steps_that_are_taken_cost_seconds_and_the_start_costs_once() -> None:
    book = make_book()
    whole, part = book.predict(512, 768, 1, 0), book.predict(512, 768, 1, 0, strength=0.3)
    assert whole.seconds / 3 < part.seconds < whole.seconds / 2  # three of eight steps, the rest, the start
    assert book.predict(512, 768, 4, 0, strength=0.3).seconds < 4 * part.seconds
    with_all = book.predict(512, 768, 1, 0, strength=1.0)
    assert with_all.seconds > whole.seconds


def test_a_job_with_a_start_teaches_a_step_the_rest_and_the_start_each_for_itself() -> None:
    book = make_book()
    request = started(0.3, count=2)
    book.learn(request, end(request, step_s=0.5, start_s=0.2))
    assert book.predict(512, 768, 1, 1).seconds == pytest.approx(8 * 0.5 + 0.1)
    assert book.predict(512, 768, 1, 1, strength=0.3).seconds == pytest.approx(3 * 0.5 + 0.1 + 0.2)
    assert book.predict(512, 768, 2, 1, strength=0.7).seconds == pytest.approx(2 * (6 * 0.5 + 0.1) + 0.2)


def test_jobs_with_and_without_a_start_agree_on_the_seconds_of_a_step() -> None:
    book = make_book()
    for _ in range(20):
        for request in (make_request(), started(0.3), started(0.7)):
            book.learn(request, end(request, 0.5, 0.2 if request.start else 0.0))
    assert book.predict(512, 768, 1, 1).seconds == pytest.approx(4.1)
    span = book.estimate_of(1.0)
    assert span is not None
    assert (span.least_s, span.most_s) == pytest.approx((1.0, 1.0), rel=0.02)


def test_the_first_start_needs_the_encoder_and_later_ones_do_not() -> None:
    book = CostBook()
    book.started(a_worker(), Plan())
    extra = book.predict(512, 768, 1, 0, strength=0.3).bytes - book.predict(512, 768, 1, 0).bytes
    assert extra == 69_000_000
    kept = WEIGHTS + extra
    book.learn(started(0.3), make_finished(peak_bytes=kept + GIB, kept_bytes=kept))
    assert book.predict(512, 768, 1, 1, strength=0.3).bytes == book.predict(512, 768, 1, 1).bytes
    book.started(a_worker(), Plan())
    assert book.predict(512, 768, 1, 0, strength=0.3).bytes > book.predict(512, 768, 1, 0).bytes


def test_what_a_start_takes_is_kept_in_the_file(tmp_path: Path) -> None:
    book = make_book()
    book.learn(started(0.3), end(started(0.3), 0.5, 0.2))
    write_costs(book, tmp_path / "cost.json")
    loaded = read_costs(tmp_path / "cost.json", "turbo on cuda")
    given = {"strength": 0.3}
    assert loaded.predict(512, 768, 1, 1, **given) == book.predict(512, 768, 1, 1, **given)


def test_attention_grows_with_the_square_of_the_tokens() -> None:
    """Milliseconds of a step on one H200, 2026-11-25."""
    scale = value_at(STEP_S, 1024**2) / 93.3
    assert value_at(STEP_S, 512 * 768) / scale == pytest.approx(33.0, rel=0.02)
    assert value_at(STEP_S, 512 * 512) / scale == pytest.approx(23, rel=0.05)
    four_times = value_at(STEP_S, 2048**2) / value_at(STEP_S, 1024**2)
    assert 5.5 < four_times < 6.5  # products alone would be four times as long, attention alone sixteen


def test_a_picture_larger_than_all_measured_ones_is_predicted_with_its_attention() -> None:
    book = make_book()
    for width, height, step_s in ((512, 768, 0.0330), (1024, 1024, 0.0933)):
        request = make_request(width, height)
        book.learn(request, end(request, step_s, 0.0))
    larger = book.predict(2048, 2048, 1, 1, strength=0.3)
    step_s = 0.0933 * value_at(STEP_S, 2048**2) / value_at(STEP_S, 1024**2)
    assert larger.seconds == pytest.approx(
        3 * step_s + 0.1 + value_at((0.1, 0.3 / 1024**2), 2048**2), rel=0.1
    )


def test_between_two_sizes_a_curve_is_bent_as_its_prior_is() -> None:
    measured = {size: 3 * value_at(STEP_S, size) for size in (256**2, 2048**2)}
    for size in (256**2, 512 * 768, 1024**2, 1024 * 1536, 2048**2):
        assert along(measured, size, STEP_S) == pytest.approx(3 * value_at(STEP_S, size))
    assert along({100: 1.0, 300: 5.0}, 200, (1.0,)) == pytest.approx(3.0)
    assert along({100: 1.0, 300: 5.0}, 150, (0.5, 2.0)) == pytest.approx(2.0)


def test_pictures_above_the_largest_from_noise_need_the_memory_of_a_vae_in_parts() -> None:
    book = make_book()
    largest, larger = (book.predict(*size, 1, 0).bytes - WEIGHTS for size in ((1024, 1536), (2048, 2048)))
    assert largest < larger < 1.5 * largest  # though it has 2.7 times the pixels
    kept = make_finished(peak_bytes=WEIGHTS + 2 * GIB, kept_bytes=WEIGHTS)
    book.learn(make_request(1024, 1024), kept)
    assert 3.5 * GIB < book.predict(2048, 2048, 1, 0).bytes - WEIGHTS < 5.5 * GIB
    book.learn(make_request(2048, 2048), replace(kept, peak_bytes=WEIGHTS + 3 * GIB))
    assert book.predict(2048, 2048, 1, 0).bytes == pytest.approx(WEIGHTS + 3 * GIB, rel=0.011)
