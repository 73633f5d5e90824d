"""The built-in model and one pipeline for all tests, because loading takes longer than drawing."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest
import torch
from diffusers import ZImagePipeline

from engine.checkpoint.model import read_model
from engine.config import EngineConfig
from engine.demo.networks import LORAS, WEIGHTS
from engine.reporting import JobReporter
from engine.request import Drawn, Event, Failed, Finished, LoraChoice, RenderRequest, Stopped
from engine.shelf import LoraFile, read_shelf
from engine.worker.failures import describe_failure
from engine.zimage.forward.forward import Forward
from engine.zimage.pipeline import Pipeline
from tests.fakes.lora_files.found import source
from tests.integration.pipeline.reference import loaded_pipeline


@dataclass(frozen=True)
class Result:
    """The outcome of one job."""

    end: Finished | Stopped | Failed
    events: list[Event]

    @property
    def pngs(self) -> list[bytes]:
        return [event.picture.png for event in self.events if isinstance(event, Drawn)]


class Draw(Protocol):
    def __call__(
        self, prompt: str = ..., *, cancel: Callable[[list[Event]], bool] = ..., **changes: object
    ) -> Result: ...


@pytest.fixture(scope="module", autouse=True)
def no_reader_is_left() -> Iterator[None]:
    """Wait for readers whose load failed meanwhile: their log lines must not reach another test."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("weights of a part"):
            thread.join(10)


@pytest.fixture(scope="module")
def stock_pipeline() -> ZImagePipeline:
    """The library's pipeline; ``forward`` fuses its transformer's parameters."""
    torch.set_num_threads(1)  # more threads would compete with other processes
    return loaded_pipeline()


@pytest.fixture(scope="module")
def forward(stock_pipeline: ZImagePipeline) -> Forward:
    return Forward(stock_pipeline.transformer)


@pytest.fixture(scope="session")
def lora_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's LoRA folder, initially empty."""
    return tmp_path_factory.mktemp("loras")


@pytest.fixture(scope="session")
def files() -> dict[str, LoraFile]:
    return dict(read_shelf([LORAS], read_model(WEIGHTS)).files)


@pytest.fixture(scope="session")
def sugar(files: dict[str, LoraFile]) -> LoraChoice:
    return LoraChoice("sugar", files["sugar"].sha256, 0.8)


@pytest.fixture(scope="session")
def anime(files: dict[str, LoraFile]) -> LoraChoice:
    return LoraChoice("anime", files["anime"].sha256, 1.0)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory, lora_dir: Path) -> Iterator[Pipeline]:
    torch.set_num_threads(1)  # as in ``stock_pipeline``
    pipeline = Pipeline.load(EngineConfig(tmp_path_factory.mktemp("data"), lora_dir=lora_dir, device="cpu"))
    yield pipeline
    pipeline.close()


@pytest.fixture(scope="session")
def draw(pipeline: Pipeline, lora_dir: Path) -> Draw:
    """Draw one small job to its end, or until ``cancel(events so far)`` is true; all files are named."""

    def draw(
        prompt: str = "Sugar面部, 清透水光肌",
        *,
        cancel: Callable[[list[Event]], bool] = lambda events: False,
        **changes: object,
    ) -> Result:
        given = {"width_px": 64, "height_px": 96, "seed": 7, **changes}
        files = [*LORAS.glob("*.safetensors"), *lora_dir.glob("*.safetensors")]
        request = RenderRequest("job-1", 3, prompt, **given)  # type: ignore[arg-type]
        request = replace(request, lora_files=tuple(map(source, files)) if request.loras else ())
        events: list[Event] = []
        reporter = JobReporter(request, events.append, describe_failure)
        reporter.report_end(pipeline.draw(request, reporter, lambda: cancel(events)))
        reporter.wait()
        *events, end = events
        assert isinstance(end, Finished | Stopped | Failed)
        return Result(end, events)

    return draw
