"""Workers, requests and ends of jobs for the tests of costs."""

from engine.planner.costs.book import CostBook
from engine.request import (
    Finished,
    LoraChoice,
    RenderRequest,
    Timings,
    WorkerInfo,
)

GIB = 2**30


WEIGHTS = 19 * GIB


SUGAR = LoraChoice("sugar", "ab" * 32)


def a_worker(name: str = "NVIDIA A10", dtype: str = "bfloat16", torch: str = "2.11") -> WorkerInfo:
    return WorkerInfo(1, "cuda:0", name, dtype, "", "turbo", 1, WEIGHTS, {"torch": torch})


def make_book() -> CostBook:
    book = CostBook("turbo on cuda")
    book.started(a_worker())
    return book


def make_request(width: int = 512, height: int = 768, count: int = 1) -> RenderRequest:
    return RenderRequest("j", 1, "a face", width, height, 7, count, (SUGAR,))


def make_finished(seconds: float = 1, peak_bytes: int = 0, kept_bytes: int = 0) -> Finished:
    return Finished("j", 1, Timings(denoise_s=seconds), peak_bytes, kept_bytes=kept_bytes)
