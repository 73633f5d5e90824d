"""Recorded steps give the same result as others and do not keep freed memory alive. Uses a fake card."""

import gc
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from engine.lora import bank as bank_module
from engine.lora.adapter import LoraStack
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.lora.merger import Merger
from engine.lora.patches import NO_PATCHES, Patches
from engine.lora.side_path import side_patches
from engine.request import LoraChoice
from engine.zimage import cuda_graph as recording_module
from engine.zimage.cuda_graph import capture_graph
from engine.zimage.denoise import Denoiser, LatentRow
from engine.zimage.forward import step_graphs as graphs_module
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.step_graphs import GraphKey, StepFunction, StepGraph, StepGraphCache
from engine.zimage.noise import draw_noise
from engine.zimage.pipeline import Pipeline
from engine.zimage.text import prompt as text_module
from tests.integration.pipeline.reference import LIMIT, adapter_of, error_of, random_lora

SIZE = (12, 8)
EMBEDDING = torch.randn(20, 160, generator=torch.Generator().manual_seed(1))
LATENTS = torch.randn(16, *SIZE, generator=torch.Generator().manual_seed(2))
TIMES = torch.tensor([0.3])


class Replay:
    """A fake CUDA graph: repeats the recorded step and writes to the same outputs."""

    def __init__(
        self, step: StepFunction, latents: list[Tensor], times: Tensor, velocities: list[Tensor]
    ) -> None:
        self.all = step, latents, times, velocities

    def replay(self) -> None:
        step, latents, times, velocities = self.all
        for own, new in zip(velocities, step(latents, times), strict=True):
            own.copy_(new)


class Recorder(StepGraphCache):
    """Records without a card."""

    def record(
        self,
        key: GraphKey,
        captions: list[Tensor],
        step: StepFunction,
        latents: Sequence[Tensor],
        times: Tensor,
    ) -> StepGraph:
        own, moments = [each.clone() for each in latents], times.clone()
        velocities = step(own, moments)
        graph: Any = Replay(step, own, moments, velocities)
        self._graphs[key] = StepGraph(step, captions, own, moments, graph, velocities)
        return self._graphs[key]


@pytest.fixture(scope="module")
def stacks(forward: Forward) -> dict[str, LoraStack]:
    adapters = {name: adapter_of(forward, random_lora(forward, seed, 4)) for seed, name in enumerate("AB")}
    return {name: ((adapter, 0.8),) for name, adapter in adapters.items()} | {"": ()}


@pytest.fixture
def graphs(forward: Forward, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(forward, "graphs", recorder)
    return recorder


def drawn(forward: Forward, patches: Patches) -> Tensor:
    """The second step of a picture, in which everything is merged."""
    batch = forward.batch([forward.refine_caption(EMBEDDING, patches)], [SIZE], patches)
    batch([LATENTS], TIMES)
    return batch([LATENTS], TIMES)[0].clone()


@pytest.mark.parametrize("way", ["merged", "side"])
@pytest.mark.parametrize("order", [["", "", "A", "B"], ["A", "A", "A", "B", "A", ""]], ids="-".join)
def test_each_picture_has_its_own_loras_after_any_recorded_steps(
    forward: Forward,
    stacks: dict[str, LoraStack],
    graphs: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    order: list[str],
) -> None:
    matrices = forward.weights.matrices
    merger = Merger(matrices)
    load_methods: dict[str, Callable[[LoraStack], Patches]] = {
        "merged": merger.merge,
        "side": lambda stack: side_patches(matrices, [stack]),
    }

    def draw(name: str) -> Tensor:
        return drawn(forward, load_methods[way](stacks[name]) if name else NO_PATCHES)

    with monkeypatch.context() as without:
        without.setattr(forward, "graphs", None)
        expected = {name: draw(name) for name in stacks}
    assert error_of(expected["A"], expected["B"]) > 0.01
    assert error_of(expected["A"], expected[""]) > 0.01
    for name in order:
        assert error_of(draw(name), expected[name]) <= LIMIT
    assert bool(graphs._graphs) == (way == "merged" or order[:2] == ["", ""])


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Disable the garbage collector, so that a reference cycle keeps its memory."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("way", ["the bank finds no room", "a picture finds no room"])
@pytest.mark.usefixtures("no_collector")
def test_no_recorded_step_keeps_the_merged_copy_alive(
    forward: Forward,
    stacks: dict[str, LoraStack],
    graphs: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    bank = Bank(forward.weights.matrices, LoraFinder(), on_copy_dropped=forward.drop_caches)
    denoiser = Denoiser(forward, bank)
    for _ in range(2):
        caption = denoiser.refine_caption(EMBEDDING, stacks["A"])
        row = LatentRow(caption, stacks["A"], [1.0, 0.7, 0.3, 0.0], draw_noise(1, 16, 64, 96))
        denoiser.join(row)
        while not row.is_done:
            denoiser.step()
    assert graphs._graphs
    copies = [weakref.ref(copy.weight) for copy in bank._merger._copies.values()]
    left: list[int] = []

    def count_first(*args: Any) -> Patches:
        left.append(sum(copy() is not None for copy in copies))
        return side_patches(*args)

    monkeypatch.setattr(bank_module, "side_patches", count_first)
    if way == "the bank finds no room":
        monkeypatch.setattr(Merger, "merge", full)
    else:
        bank.give_up_copy("a picture did not fit")
        denoiser.forget_batch()
    denoiser.refine_caption(EMBEDDING, stacks["B"])
    assert left == [0]
    assert not graphs._graphs


def full(*args: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")


def test_a_pipelines_bank_drops_recorded_steps(
    draw: Any, pipeline: Pipeline, sugar: LoraChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    recorder._graphs["a step"] = recorder  # type: ignore[index, assignment]
    monkeypatch.setattr(pipeline._forward, "graphs", recorder)
    monkeypatch.setattr(pipeline._bank, "_copy_fits", True)
    monkeypatch.setattr(pipeline._bank, "_merged", (None, NO_PATCHES))
    monkeypatch.setattr(Merger, "merge", full)
    draw(loras=(sugar,))
    assert "a step" not in recorder._graphs


@contextmanager
def broken(fault: Exception, tries: list[Exception]) -> Iterator[None]:
    tries.append(fault)
    yield
    raise fault


FAULTS = [
    RuntimeError("CUDNN_STATUS_NOT_SUPPORTED while recording"),
    torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing\nadvice"),
]
NOT_FORGIVEN = [
    torch.OutOfMemoryError("CUDA out of memory."),
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_steps_that_cannot_be_recorded_are_computed_and_logged_once(
    forward: Forward, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(forward, "graphs", None)
    expected = drawn(forward, NO_PATCHES)
    tries: list[Exception] = []
    monkeypatch.setattr(graphs_module, "capture_graph", lambda pool: broken(fault, tries))
    monkeypatch.setattr(forward, "graphs", StepGraphCache())
    with capture_logs() as logs:
        for _ in range(4):
            assert torch.equal(drawn(forward, NO_PATCHES), expected)
    assert len(tries) == 1
    assert [(line["event"], line["reason"]) for line in logs] == [
        (
            "steps cannot be recorded as CUDA graphs: small pictures take longer",
            f"{type(fault).__name__}: {str(fault).partition(chr(10))[0]}",
        )
    ]


@pytest.mark.parametrize("fault", NOT_FORGIVEN, ids=lambda fault: type(fault).__name__)
def test_a_full_or_failed_card_does_not_disable_recording(
    forward: Forward, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    graphs = StepGraphCache()
    monkeypatch.setattr(forward, "graphs", graphs)
    monkeypatch.setattr(graphs_module, "capture_graph", lambda pool: broken(fault, []))
    drawn(forward, NO_PATCHES)
    with pytest.raises(type(fault)):
        drawn(forward, NO_PATCHES)
    assert graphs._can_record

    def fail(*args: object) -> None:
        raise fault

    monkeypatch.setattr(text_module, "_Graph", fail)
    monkeypatch.setattr(pipeline._text, "_can_record", True)
    monkeypatch.setattr(pipeline._text, "_seen", set())
    monkeypatch.setattr(pipeline._text, "_embeddings", OrderedDict())
    pipeline._text.embed("a prompt for a card at work")  # the first one of its length is not captured
    with pytest.raises(type(fault)):
        pipeline._text.embed("a prompt for a card at fault")
    assert pipeline._text._can_record


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_prompts_that_cannot_be_recorded_are_encoded_and_logged_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    text, tries = pipeline._text, []

    def fail(*args: object) -> None:
        tries.append(args)
        raise fault

    expected = text.embed("a face")
    monkeypatch.setattr(text, "_seen", set(text_module.LENGTHS))  # so that the next one is captured
    monkeypatch.setattr(text_module, "_Graph", fail)
    monkeypatch.setattr(text, "_can_record", True)
    with capture_logs() as logs:
        for prompt in ("a face", "a long story of a face " * 5):
            text._embeddings.pop(prompt, None)
            assert text.embed(prompt).shape[1] == expected.shape[1]
    assert torch.equal(text._embeddings["a face"], expected)
    assert len(tries) == 1
    assert [line["event"] for line in logs] == ["prompts cannot be recorded as CUDA graphs: they take longer"]


@pytest.mark.parametrize("when", ["start", "end"])
def test_a_failed_recording_restores_stream_and_generator(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    class FakeGenerator:
        """A fake generator: after the start of a recording it expects the end."""

        def __init__(self, *, is_recorded: bool) -> None:
            self.is_recorded = is_recorded

        def clone_state(self) -> "FakeGenerator":
            return FakeGenerator(is_recorded=False)

        def graphsafe_set_state(self, state: "FakeGenerator") -> None:
            self.is_recorded = state.is_recorded

    class FakeCuda:
        """A fake torch.cuda: after a failure ``graph`` does not restore the earlier stream."""

        CUDAGraph = object
        stream_now = "ours"
        default_generators = (FakeGenerator(is_recorded=False),)

        def current_device(self) -> int:
            return 0

        def current_stream(self) -> str:
            return self.stream_now

        @contextmanager
        def stream(self, stream: str) -> Iterator[None]:
            before, self.stream_now = self.stream_now, stream
            try:
                yield
            finally:
                self.stream_now = before

        @contextmanager
        def graph(self, graph: object, *, pool: object, capture_error_mode: str) -> Iterator[None]:
            self.stream_now = "the recording's"
            self.default_generators[0].is_recorded = True
            if when == "start":
                raise FAULTS[1]
            yield
            raise FAULTS[1]

    cuda = FakeCuda()
    monkeypatch.setattr(recording_module.torch, "cuda", cuda)
    with pytest.raises(torch.AcceleratorError), capture_graph():
        pass
    assert cuda.stream_now == "ours"
    assert not cuda.default_generators[0].is_recorded
