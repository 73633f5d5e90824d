"""Tests that need a card: copies of blocks run beside the arithmetic, and their memory has a bound."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.bench import streaming
from engine.bench.streaming import StreamedWorkload, drop_blocks
from engine.config import CONTEXT_BYTES
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.zimage.forward.forward import Forward
from engine.zimage.residency.file_chunks import ChunkReader, FileTensor, wait_for_all
from engine.zimage.residency.lanes import lanes_of
from engine.zimage.residency.memory import TorchMemory
from engine.zimage.residency.store import BlockStore

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]

BLOCKS = 8
NEEDED_BYTES = 20 * 2**30


@pytest.fixture(scope="module")
def workload() -> Any:
    """Eight blocks of real width, 354 MB each."""
    if torch.cuda.mem_get_info()[0] < NEEDED_BYTES:
        pytest.skip("needs 20 GiB of free memory on the card")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "TURBO", streaming.TURBO | {"n_layers": BLOCKS})
        options = argparse.Namespace(device="cuda", rounds=3, tiny=False, size="1024x1024")
        yield StreamedWorkload(options)


@pytest.mark.parametrize("resident", [0, 3, None])
def test_steps_are_bit_equal_at_real_width(workload: StreamedWorkload, resident: int | None) -> None:
    line = workload.line(resident)
    assert line.is_equal
    assert line.step_bytes == (0 if resident is None else (BLOCKS - resident) * 353_894_400)


def test_copies_and_kernels_run_at_the_same_time(workload: StreamedWorkload, tmp_path: Path) -> None:
    store = BlockStore(workload.source, workload.device, lanes_of(workload.device), 0)
    forward = Forward(workload.transformer, places=store.places)
    bank = Bank(forward.weights.matrices, LoraFinder(), blocks=store)
    batch = workload._batch(forward, bank, workload.stacks[0])
    for _ in range(2):
        workload.run(batch)
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA], acc_events=True) as seen:
        for _ in range(3):
            workload.run(batch)
        torch.cuda.synchronize()
    path = tmp_path / "trace.json"
    seen.export_chrome_trace(str(path))
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    spans: dict[str, list[tuple[float, float]]] = {"gpu_memcpy": [], "kernel": []}
    for event in events:
        if event.get("cat") in spans:
            spans[event["cat"]].append((event["ts"], event["ts"] + event["dur"]))
    copies = [(start, end) for start, end in spans["gpu_memcpy"] if end - start > 100]  # µs: whole blocks
    assert len(copies) >= 3 * BLOCKS - 2
    both = sum(
        max(0.0, min(end, copy_end) - max(start, copy_start))
        for start, end in spans["kernel"]
        for copy_start, copy_end in copies
    )
    assert both >= 0.8 * sum(end - start for start, end in spans["kernel"])


def test_a_budget_limits_what_torch_allocates() -> None:
    held = torch.cuda.memory_reserved()
    memory = TorchMemory(torch.device("cuda", 0), CONTEXT_BYTES + held + 2**30)
    try:
        assert memory.room_bytes() <= 2**30 + held - torch.cuda.memory_allocated()
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(2**31 + held, dtype=torch.uint8, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_transformer_without_its_blocks_holds_only_small_layers(workload: StreamedWorkload) -> None:
    drop_blocks(workload.transformer, workload.source)  # again: nothing is left to drop
    held = sum(parameter.nbytes for parameter in workload.transformer.parameters())
    assert held < 400 * 2**20


def test_weights_are_not_written_into_memory_that_queued_work_still_uses(tmp_path: Path) -> None:
    path, device, count = tmp_path / "ones", torch.device("cuda"), 2**22
    path.write_bytes(torch.ones(count).numpy().tobytes())
    reader = ChunkReader(device)
    with path.open("rb") as file:
        source = FileTensor(file.fileno(), 0, torch.float32)
        wait_for_all(reader.read(source, torch.empty(count, device=device)))  # the threads have their streams
        used = torch.zeros(count, device=device)
        address = used.data_ptr()
        torch.cuda._sleep(10**9)  # cycles, about half a second
        used.fill_(2.0)
        del used
        target = torch.empty(count, device=device)
        assert target.data_ptr() == address, "torch gives the memory that the queued work will write"
        wait_for_all(reader.read(source, target))
    assert bool((target == 1.0).all())
