"""E6 and E7: throughput of a full queue with one and with many LoRAs, and the card's busy share."""

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from engine.bench.report.results import ResultLine
from engine.bench.report.targets import BUSY, MANY_LORAS, ONE_LORA
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.workload import Workload, format_size

LORAS = 16
WATCHED = 12  # pictures
ON_THE_CARD = ("kernel", "gpu_memcpy", "gpu_memset")  # categories of the profiler's trace


def mixed(workload: Workload, ours: OwnPipeline) -> Iterator[ResultLine]:
    """E6: pictures per second of two queues that differ only in their LoRAs."""
    size, count = workload.sizes["E1"], workload.effort.pictures
    rng = random.Random(6)  # noqa: S311 - an order of LoRAs, no secret
    numbers = {ONE_LORA: [0] * count, MANY_LORAS: [rng.randrange(LORAS) for _ in range(count)]}
    queues = {who: [ours.request(size, number) for number in own] for who, own in numbers.items()}
    ours.queue(
        [ours.request(size, number) for number in range(LORAS)]
    )  # read before, as the worker reads ahead
    for who, queue in queues.items():
        yield ResultLine(
            "E6", who, ours.rate(queue), "pictures/s", work=format_size(size), note=f"{count} pictures"
        )


def busy(workload: Workload, ours: OwnPipeline) -> ResultLine:
    """E7: the share of a full queue's time in which the card computes or copies."""
    size = workload.sizes["E1"]
    if not workload.placement.is_card:
        return ResultLine("E7", BUSY, None, "%", work=format_size(size), note="needs a card")
    requests = [ours.request(size, number % LORAS) for number in range(WATCHED)]
    ours.queue(requests[:1])
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as seen:
        ours.queue(requests)
        torch.cuda.synchronize(workload.placement.device)
    with tempfile.TemporaryDirectory(prefix="sugarbot-bench-") as folder:
        path = Path(folder) / "trace.json"
        seen.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    spans = [(event["ts"], event["ts"] + event["dur"]) for event in events if event.get("cat") in ON_THE_CARD]
    note = f"{WATCHED} pictures, each with another LoRA; watched by the profiler"
    return ResultLine("E7", BUSY, 100 * share(spans), "%", work=format_size(size), note=note)


def share(spans: list[tuple[float, float]]) -> float:
    """Return the covered share of the time from the first span's start to the last span's end.

    Raises:
        ValueError: There are no spans.
    """
    if not spans:
        raise ValueError("the profiler saw nothing on the card")
    covered, reached = 0.0, min(start for start, _ in spans)
    first = reached
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered / (reached - first)
