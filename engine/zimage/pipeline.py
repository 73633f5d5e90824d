"""The worker's painter: one loaded model that turns requests into pictures, one job at a time.

``paint`` leaves nothing of a job behind, whether it returns or raises: each picture is drawn as if it were
the first. One thread calls ``paint``; ``prepare`` and ``prefetch`` may run in another.
"""

import importlib.metadata
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import psutil
import torch
from torch import Tensor

from engine.checkpoint.model import ModelInfo, built_in_lora_folder, find_model
from engine.config import EngineConfig
from engine.errors import OutOfMemory
from engine.finish.encode import Encoder
from engine.finish.stamp import PictureSettings
from engine.lora.bank import Bank
from engine.lora.find import Finder
from engine.lora.ways import Stack
from engine.reporting import JobReporter
from engine.request import MAX_SEED, Finished, LoraChoice, RenderRequest, Stopped, WorkerInfo
from engine.shelf import read_shelf
from engine.zimage.denoise import Denoiser, LatentRow, draw_noise, read_sigmas
from engine.zimage.forward.forward import Forward, RefinedCaption
from engine.zimage.forward.fp8 import wants_eight
from engine.zimage.job import Job
from engine.zimage.load import Placement, choose_placement, load_pipeline, weights_bytes
from engine.zimage.memory import first_line, free_memory, report_model_too_large, retry_with_less_memory
from engine.zimage.text.prompt import Text
from engine.zimage.timing import StageTimer
from engine.zimage.vae.decode import decode
from engine.zimage.vae.decoder import speed_up

LIBRARIES = ("torch", "diffusers", "transformers")  # whose versions decide what a seed looks like


class Pipeline:
    """A model on its device, ready to draw.

    Attributes:
        info: What the worker reports to its host.
    """

    def __init__(
        self, model: ModelInfo, place: Placement, pipeline: Any, finder: Finder, *, is_eight: bool = False
    ) -> None:
        self._model_name = model.name
        self._device = place.device
        self._pipeline = pipeline
        self._text = Text(pipeline, place.device)
        speed_up(pipeline.vae)
        self._forward = Forward(pipeline.transformer, is_eight=is_eight)
        in_eight = self._forward.weights.in_eight if self._forward.do_in_eight else ()
        self._bank = Bank(
            self._forward.weights.matrices, finder, in_eight=in_eight, let_go=self._forward.forget
        )
        self._denoiser = Denoiser(self._forward, self._bank)
        self._encoder = Encoder()
        self.info = WorkerInfo(
            pid=os.getpid(),
            device=str(place.device),
            device_name=place.name,
            dtype=str(place.dtype).removeprefix("torch."),
            dtype_reason=place.dtype_reason,
            model_name=model.name,
            load_s=time.time() - psutil.Process().create_time(),
            weights_bytes=weights_bytes(pipeline),
            versions={library: importlib.metadata.version(library) for library in LIBRARIES},
        )

    @classmethod
    def load(cls, config: EngineConfig) -> Self:
        """Load the configured model; takes from seconds to minutes.

        Raises:
            ModelError: ModelMissing, ModelIncomplete, ModelTooLarge, or a device that is not there. The host
                must act.
        """
        model = find_model(config, download=False)
        place = choose_placement(config.device)
        pipeline = load_pipeline(model.folder, place)
        folders = [folder for folder in (built_in_lora_folder(model), config.lora_dir) if folder]
        finder = Finder(lambda: read_shelf(folders, model).files)
        with report_model_too_large(place):
            return cls(model, place, pipeline, finder, is_eight=wants_eight(config.precision, place.device))

    def paint(
        self, request: RenderRequest, reporter: JobReporter, is_cancelled: Callable[[], bool]
    ) -> Callable[[], Finished] | Stopped:
        """Draw a job's pictures one after the other.

        Args:
            request: Its size must be one that the model allows.
            reporter: Reports each step and each picture; a file may not be ready when this returns.
            is_cancelled: Asked before each step.

        Returns:
            What makes a ``Finished`` once the last picture is ready; or ``Stopped`` when ``is_cancelled``
            said so. Every complete picture was shown.

        Raises:
            RenderError: OutOfMemory, PromptTooLong or BlankPicture; this job cannot be drawn, others can.
            LoraRejected: A LoRA is missing, changed, damaged or for another model.
        """
        headroom_monitor = StageTimer(self._device)
        job = Job(request, reporter, is_cancelled, self._encoder, headroom_monitor)
        detail = ""
        try:
            is_complete = self._draw(job)
        except torch.OutOfMemoryError as error:
            detail = first_line(error)
        if detail:  # outside of "except", where the error's traceback would hold the failed job's tensors
            free_memory()
            raise OutOfMemory(detail=detail)
        if not is_complete:
            return Stopped(request.job_id, request.attempt)
        # What it took is known when the card has done it all, and the next job need not wait for that.
        return partial(
            _finished, request, headroom_monitor, headroom_monitor.peak_bytes, headroom_monitor.held_bytes
        )

    def prepare(self, request: RenderRequest) -> None:
        """Fetch a job's LoRAs into main memory; beside ``paint``, in another thread."""
        self._bank.prepare(request.loras)

    def prefetch(self, loras: Sequence[LoraChoice]) -> None:
        """Fetch these LoRAs into main memory for later jobs; beside ``paint``, in another thread."""
        self._bank.prepare(loras)

    def close(self) -> None:
        """End the encoding threads; the memory goes back with the last reference to the painter."""
        self._encoder.close()

    def _draw(self, job: Job) -> bool:
        """Draw every picture; False when cancelled on the way."""
        request = job.request
        with job.headroom_monitor.stage("text_s"):
            embedding = self._text.embed(request.prompt)
        with job.headroom_monitor.stage("lora_s"):
            stack = self._bank.stack(request.loras)
        with job.headroom_monitor.stage("text_s"):
            caption = self._denoiser.read(embedding, stack)
        return all(self._draw_picture(job, index, caption, stack) for index in range(request.count))

    def _draw_picture(self, job: Job, index: int, caption: RefinedCaption, stack: Stack) -> bool:
        """Draw one picture and start to encode it; False when cancelled on the way."""
        seed = (job.request.seed + index) % (MAX_SEED + 1)
        with job.headroom_monitor.stage("denoise_s"):
            latents = self._denoise(job, index, seed, caption, stack)
        if latents is None:
            return False
        with job.headroom_monitor.stage("decode_s"):
            pixels = retry_with_less_memory(
                lambda is_retry: decode(self._pipeline.vae, latents, in_tiles=is_retry)
            )
        job.add(index, pixels, self._settings(job.request, seed))
        return True

    def _denoise(
        self, job: Job, index: int, seed: int, caption: RefinedCaption, stack: Stack
    ) -> Tensor | None:
        """The latents of one picture; None when cancelled."""
        request = job.request
        noise = draw_noise(seed, self._forward.channels, request.width_px, request.height_px)
        sigmas = read_sigmas(self._pipeline.scheduler, request.steps)

        def run(is_retry: bool) -> Tensor | None:
            if is_retry:
                self._denoiser.release_extra_memory()
            row = LatentRow(caption, stack, sigmas, noise)
            self._denoiser.join(row)
            try:
                while not row.is_done:
                    if job.is_cancelled():
                        return None
                    self._denoiser.step()
                    job.step_done(index, row.step)
            finally:
                self._denoiser.leave(row)
            return row.latents

        return retry_with_less_memory(run)

    def _settings(self, request: RenderRequest, seed: int) -> PictureSettings:
        return PictureSettings(
            prompt=request.prompt,
            seed=seed,
            width_px=request.width_px,
            height_px=request.height_px,
            steps=request.steps,
            model=self._model_name,
            loras=request.loras,
        )


def _finished(
    request: RenderRequest, headroom_monitor: StageTimer, peak_bytes: int, held_bytes: int
) -> Finished:
    return Finished(request.job_id, request.attempt, headroom_monitor.timings, peak_bytes, held_bytes)
