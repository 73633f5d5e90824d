"""The contender ``ours``: the worker's pipeline, called as the worker calls it."""

import statistics
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from engine.bench.measurement import warm_up_rounds
from engine.bench.report.results import OURS, ResultLine
from engine.bench.report.targets import PNG
from engine.bench.rows.workload import PictureSize, Workload, format_size
from engine.config import WeightFormat
from engine.reporting import JobReporter
from engine.request import STEPS, Event, Failed, Finished, RenderRequest
from engine.worker.failures import describe_failure
from engine.zimage.forward.fuse import concatenate_weights
from engine.zimage.model_loader import PipelineParts
from engine.zimage.pipeline import Pipeline
from engine.zimage.schedule import ScheduleConfig
from engine.zimage.text.encoder import EncoderConfig, LayerWeights, TextEncoder
from engine.zimage.text.tokenizer import LibraryTokenizer
from engine.zimage.vae.loader import load_vae

GIB = 2**30


class OwnPipeline:
    """The pipeline and its parts. Only this class accesses private attributes of the pipeline.

    Attributes:
        parts: Its own modules over the shared weights.
    """

    def __init__(self, workload: Workload, weight_format: WeightFormat = WeightFormat.BF16) -> None:
        self._workload = workload
        self.parts = parts_of(workload.twin())
        self._pipeline = Pipeline(
            workload.model, workload.placement, self.parts, workload.loras.finder(), weight_format
        )
        self.text = self._pipeline._text
        self.bank = self._pipeline._bank
        self.denoiser = self._pipeline._denoiser

    def lines(self, row: str) -> Iterator[ResultLine]:
        """Measure whole pictures up to their pixels in host memory, each with a new prompt."""
        size = self._workload.sizes[row]
        rounds = self._workload.effort.rounds
        unmeasured = warm_up_rounds(self._workload.placement.device)
        drawn = [self.timed(size) for _ in range(unmeasured + rounds)][unmeasured:]
        ends = [end for _, end in drawn]
        parts = [_median(ends, part) * 1000 for part in ("text_s", "lora_s", "denoise_s", "decode_s")]
        seconds = statistics.median(seconds for seconds, _ in drawn)
        note = "text {:.1f} + LoRA fetched {:.1f} + steps {:.1f} + VAE {:.1f} ms".format(*parts)
        peak = max(end.peak_bytes for end in ends) / GIB if self._workload.placement.is_card else None
        yield ResultLine(row, OURS, seconds, work=format_size(size), peak_gib=peak, note=note)
        yield ResultLine(
            row, PNG, _median(ends, "encode_s") * 1000, "ms", work=format_size(size), note="in another thread"
        )

    def draw(self, size: PictureSize, lora: int = 0, steps: int = STEPS) -> Finished:
        """Draw one picture with a LoRA and a new prompt."""
        (end,) = self.queue([self.request(size, lora, steps)])
        return end

    def timed(self, size: PictureSize, lora: int = 0, steps: int = STEPS) -> tuple[float, Finished]:
        """As ``draw``; also return the seconds up to the pixels, without those of the file."""
        request = self.request(size, lora, steps)
        started_s = time.perf_counter()
        (end,) = self.queue([request])
        return time.perf_counter() - started_s - end.timings.encode_s, end

    def request(self, size: PictureSize, lora: int = 0, steps: int = STEPS) -> RenderRequest:
        """Make a request for one picture with a new prompt."""
        prompt, seed = self._workload.prompt()
        return RenderRequest(
            job_id=f"bench-{seed}", attempt=1, prompt=prompt, width_px=size[0], height_px=size[1],
            seed=seed, loras=(self._workload.loras.choice(lora),), steps=steps,
        )  # fmt: skip

    def queue(self, requests: Iterable[RenderRequest]) -> list[Finished]:
        """Draw requests as the worker does with a full queue."""
        events: list[Event] = []
        reporters = []
        waiting = list(requests)
        with ThreadPoolExecutor(1, thread_name_prefix="prepare") as beside:
            for request, after in zip(waiting, [*waiting[1:], None], strict=True):
                if after is not None:
                    beside.submit(self._pipeline.prepare, after)
                reporters.append(JobReporter(request, events.append, describe_failure))
                reporters[-1].report_end(self._pipeline.draw(request, reporters[-1], lambda: False))
        for reporter in reporters:
            reporter.wait()
        if failed := [event for event in events if isinstance(event, Failed)]:
            raise RuntimeError(f"a picture failed: {failed[0]}")
        return [event for event in events if isinstance(event, Finished)]

    def rate(self, requests: list[RenderRequest]) -> float:
        """Return the pictures per second of a full queue."""
        started_s = time.perf_counter()
        self.queue(requests)
        return len(requests) / (time.perf_counter() - started_s)

    @property
    def is_eight_bit(self) -> bool:
        """Whether the next picture's large products are in eight bits."""
        return bool(self.bank.eight_bit_layers)

    def fingerprint(self) -> list[tuple[int, int]]:
        """Return two sums for each base tensor; any changed bit, or two swapped ones, change them."""
        return [_fingerprint(tensor) for tensor in self.parts.transformer.parameters()]

    def close(self) -> None:
        """End the pipeline's threads. The memory is freed with the last reference."""
        self._pipeline.close()


def parts_of(pipeline: Any) -> PipelineParts:
    """Return a library's pipeline as the parts of ours; its encoder's weights become views of fused ones."""
    encoder = pipeline.text_encoder.base_model
    layers = [_layer_weights(layer) for layer in encoder.layers[:-1]]
    config = EncoderConfig.model_validate(pipeline.text_encoder.config.to_dict())
    text_encoder = TextEncoder(config, encoder.embed_tokens.weight, layers, encoder.device)
    text_encoder.speed_up()
    return PipelineParts(
        transformer=pipeline.transformer,
        text_encoder=text_encoder,
        vae=load_vae(pipeline.vae.config, pipeline.vae.state_dict(), encoder.device),
        tokenizer=LibraryTokenizer(pipeline.tokenizer),
        schedule=ScheduleConfig.model_validate(dict(pipeline.scheduler.config)),
    )


def _layer_weights(layer: Any) -> LayerWeights:
    attention, feed = layer.self_attn, layer.mlp
    return LayerWeights(
        layer.input_layernorm.weight,
        concatenate_weights([attention.q_proj, attention.k_proj, attention.v_proj]),
        torch.stack([attention.q_norm.weight, attention.k_norm.weight]),
        attention.o_proj.weight,
        layer.post_attention_layernorm.weight,
        concatenate_weights([feed.gate_proj, feed.up_proj]),
        feed.down_proj.weight,
    )


def _median(ends: list[Finished], part: str) -> float:
    return float(statistics.median(getattr(end.timings, part) for end in ends))


@torch.no_grad()
def _fingerprint(tensor: torch.Tensor) -> tuple[int, int]:
    words = tensor.detach().contiguous().view(torch.uint8).flatten()
    width = 8 if len(words) % 8 == 0 else 1
    numbers = words.view(torch.int64) if width == 8 else words.long()
    positions = (
        torch.arange(1, len(numbers) + 1, device=numbers.device) * 0x9E3779B97F4A7C1
    )  # wraps, as it should
    return int(numbers.sum()), int((numbers * positions).sum())
