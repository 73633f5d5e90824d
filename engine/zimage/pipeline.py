"""The worker's pipeline: one loaded model that turns requests into pictures, one job at a time.

``draw`` keeps no state of a job, whether it returns or raises: every picture is the same as if it were the
first. One thread calls ``draw``; another may call ``prepare`` and ``prefetch``.
"""

import hashlib
import importlib.metadata
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import psutil
import structlog
import torch
from torch import Tensor

from engine.checkpoint.contents import weights_fingerprint
from engine.checkpoint.model import ModelInfo, find_model, lora_folders
from engine.config import PROMPTS, EngineConfig, Plan, WeightFormat, format_without_plan
from engine.eight_bit.formats import usable_format
from engine.errors import OutOfMemory
from engine.finish.encoder import Encoder
from engine.finish.metadata import PictureSettings, StartSettings
from engine.finish.start import StartPixels
from engine.lora.adapter import LoraStack
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.reporting import JobReporter
from engine.request import (
    Cell,
    Finished,
    LoraChoice,
    LoraSource,
    RenderRequest,
    Stopped,
    Timings,
    WorkerInfo,
)
from engine.zimage.denoise import Denoiser, LatentRow
from engine.zimage.device import Placement, choose_placement
from engine.zimage.forward.forward import Forward, RefinedCaption
from engine.zimage.model_loader import PipelineParts, load_pipeline, weights_bytes
from engine.zimage.noise import NoiseThread, add_noise
from engine.zimage.out_of_memory import (
    first_line,
    free_memory,
    report_model_too_large,
    retry_with_less_memory,
)
from engine.zimage.residency.fit import MemoryFit
from engine.zimage.residency.lanes import lanes_of
from engine.zimage.residency.layout import eight_bit_layers
from engine.zimage.residency.memory import MemoryReading, memory_of
from engine.zimage.residency.sources import BlockSource
from engine.zimage.residency.store import BlockStore
from engine.zimage.schedule import sigma_schedule
from engine.zimage.text.encoder import TextEncoder
from engine.zimage.text.prompt import Text
from engine.zimage.text.saved import SavedEmbeddings
from engine.zimage.timing import StageTimer
from engine.zimage.vae.decode import decode
from engine.zimage.vae.encode import StartEncoder
from engine.zimage.weight_reader import locations_of

T = TypeVar("T")

log = structlog.get_logger("engine.worker")

LIBRARIES = ("torch",)  # their versions affect the picture of a seed


@dataclass(frozen=True, slots=True)
class _Job:
    """A request while it is drawn."""

    request: RenderRequest
    reporter: JobReporter
    is_cancelled: Callable[[], bool]
    timer: StageTimer


@dataclass(frozen=True, slots=True, eq=False)
class _Inputs:
    """What a picture of a job begins with; most of it is the same for the next one.

    Attributes:
        start: The latents of its start picture, as ``add_noise`` takes them; None for noise alone.
        settings: Of this picture.
    """

    caption: RefinedCaption
    stack: LoraStack
    start: Tensor | None
    settings: PictureSettings


class Pipeline:
    """A model on its device, ready to draw.

    Attributes:
        info: The worker's report to its host.
    """

    def __init__(
        self,
        model: ModelInfo,
        placement: Placement,
        parts: PipelineParts,
        finder: LoraFinder,
        weight_format: WeightFormat = WeightFormat.BF16,
        *,
        plan: Plan | None = None,
        blocks: BlockSource | None = None,
        memory: MemoryReading | None = None,
        prompts: SavedEmbeddings | None = None,
    ) -> None:
        self._plan = plan or Plan()
        self._model_name = model.name
        self._device = placement.device
        self._parts = parts
        shift = {} if model.shift is None else {"shift": model.shift}
        self._schedule = parts.schedule.model_copy(update=shift)
        self._text = Text(parts.tokenizer, parts.text_encoder, prompts)
        memory = memory or memory_of(placement.device, self._plan.budget_bytes)
        store = self._store = self._block_store(blocks, placement, weight_format)
        self._forward = Forward(parts.transformer, weight_format, store.places if store else None)
        self._finder = finder
        self._bank = Bank(
            self._forward.weights.matrices,
            finder,
            eight_bit_layers=self._forward.eight_bit_layers,
            on_copy_dropped=self._forward.drop_caches,
            blocks=store,
            card_cache_bytes=plan.lora_cache_bytes if plan else None,
            vectors=self._forward.weights.vectors,
        )
        self._fit = MemoryFit(self._bank, store, memory, self._forward.drop_caches, plan=self._plan)
        self._start_pixels = StartPixels()
        self._start_encoder = StartEncoder(parts.vae, model.folder, placement)
        self._noise = NoiseThread(self._forward.channels)
        self._denoiser = Denoiser(self._forward, self._bank)
        self._encoder = Encoder()
        self.info = WorkerInfo(
            pid=os.getpid(),
            device=str(placement.device),
            device_name=placement.name,
            dtype=str(placement.dtype).removeprefix("torch."),
            dtype_reason=placement.dtype_reason,
            model_name=model.name,
            load_s=time.time() - psutil.Process().create_time(),
            weights_bytes=weights_bytes(parts) + (store.card_bytes if store else 0),
            host_bytes=store.host_bytes if store else 0,
            plan=_describe(plan, store) if plan else "",
            versions={library: importlib.metadata.version(library) for library in LIBRARIES},
        )

    @classmethod
    def load(cls, config: EngineConfig) -> Self:
        """Load the configured model. Takes seconds to minutes.

        Raises:
            ModelError: ModelMissing, ModelIncomplete, ModelTooLarge, or no such device. The host must act.
        """
        model = find_model(config, download=False)
        placement = choose_placement(config.device)
        plan = config.plan
        finder = LoraFinder([*lora_folders(config, model), config.lora_versions_dir])
        parts = load_pipeline(model.folder, placement, *locations_of(config, placement.device))
        with report_model_too_large(placement):
            wanted = plan.weight_format if plan else format_without_plan(config.precision)
            weight_format = usable_format(wanted, placement.device)
            return cls(
                model,
                placement,
                parts,
                finder,
                weight_format,
                plan=plan,
                blocks=parts.blocks,
                prompts=_saved_embeddings(config, model, placement, parts.text_encoder),
            )

    def draw(
        self, request: RenderRequest, reporter: JobReporter, is_cancelled: Callable[[], bool]
    ) -> Callable[[], Finished] | Stopped:
        """Draw a job's pictures one after the other.

        Args:
            request: Its size must be allowed by the model.
            reporter: Receives each step and each picture. A file may become ready after this returns.
            is_cancelled: Asked before each step.

        Returns:
            A function that makes ``Finished`` once the last picture is ready, or ``Stopped`` if
            ``is_cancelled`` returned true. Every complete picture was reported.

        Raises:
            RenderError: OutOfMemory, PromptOverLimit, StartDamaged or BlankPicture. Other jobs can still be
                drawn.
            LoraRejected: A LoRA is missing, changed, damaged or for another model.
        """
        detail = ""
        self._finder.learn(request.lora_files)
        try:
            extra_bytes = self._start_encoder.missing_bytes if request.start else 0
            loras = request.cell(0).loras
            self._fit.prepare(request.width_px, request.height_px, loras, extra_bytes=extra_bytes)
            timer = StageTimer(self._device)
            is_complete = self._draw(_Job(request, reporter, is_cancelled, timer))
        except torch.OutOfMemoryError as error:
            detail = first_line(error)
        if detail:  # outside ``except``, because the error's traceback holds the failed job's tensors
            free_memory()
            raise OutOfMemory(detail=detail)
        if not is_complete:
            return Stopped(request.job_id, request.attempt)
        self._fit.learn(request.width_px, request.height_px, timer.peak_bytes)
        # The timings are known when the card is done. The next job must not wait for that.
        end = Finished(
            request.job_id,
            request.attempt,
            Timings(),
            timer.peak_bytes,
            timer.held_bytes,
            timer.kept_bytes,
            self._bank.card_cache_bytes,
            self._fit.yields_bytes,
        )
        return lambda: replace(end, timings=timer.timings)

    def prepare(self, request: RenderRequest) -> None:
        """Fetch a job's LoRAs and its start picture. Another thread may call this during ``draw``."""
        self.prefetch(request.loras, request.lora_files)
        self._start_pixels.prepare(request)

    def prefetch(self, loras: Sequence[LoraChoice], files: Sequence[LoraSource]) -> None:
        """Fetch LoRAs of later jobs into main memory. Another thread may call this during ``draw``."""
        self._finder.learn(files)
        self._bank.prepare(loras)

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Forget the LoRAs with these contents and refuse them.

        Another thread may call this during ``draw``.
        """
        self._bank.withdraw(sha256)

    def forget_withdrawn(self) -> None:
        """Drop what the last job has left of withdrawn LoRAs."""
        self._denoiser.forget_batch()
        self._bank.forget_withdrawn()

    def close(self) -> None:
        """End the pipeline's threads. The memory is freed with the last reference to the pipeline."""
        self._encoder.close()
        self._text.close()
        self._noise.close()

    def _draw(self, job: _Job) -> bool:
        """Draw every picture; False if cancelled."""
        with self._noise.draw(job.request) as noises:
            inputs = self._prepare_inputs(job)
            for index, noise in enumerate(noises):
                inputs = self._with_cell(job, inputs, job.request.cell(index))
                if not self._draw_picture(job, index, inputs, noise):
                    return False
        return True

    def _with_cell(self, job: _Job, inputs: _Inputs, cell: Cell) -> _Inputs:
        """Return the inputs of a picture with this text and these LoRAs; the others stay."""
        settings = self._settings(job.request, cell)
        if replace(settings, seed=inputs.settings.seed) == inputs.settings:
            return replace(inputs, settings=settings)
        if cell.loras != inputs.settings.loras:
            self._fit.prepare(job.request.width_px, job.request.height_px, cell.loras)
        caption, stack = retry_with_less_memory(lambda: self._prepare_caption(job, cell), self._lower)
        return replace(inputs, caption=caption, stack=stack, settings=settings)

    def _prepare_inputs(self, job: _Job) -> _Inputs:
        request = job.request
        first = request.cell(0)
        caption, stack = retry_with_less_memory(lambda: self._prepare_caption(job, first), self._lower)
        start = None
        if request.start is not None:
            with job.timer.stage("start_s"):
                pixels = self._start_pixels.take(request, request.start)
                encode = self._start_encoder.encode
                start = self._through_vae(request, lambda is_lean: encode(pixels, is_lean=is_lean))
        return _Inputs(caption, stack, start, self._settings(request, first))

    def _prepare_caption(self, job: _Job, cell: Cell) -> tuple[RefinedCaption, LoraStack]:
        with job.timer.stage("text_s"):
            embedding = self._text.embed(cell.prompt)
        with job.timer.stage("lora_s"):
            stack = self._bank.stack(cell.loras)
        with job.timer.stage("text_s"):
            return self._denoiser.refine_caption(embedding, stack), stack

    def _lower(self, reason: str) -> bool:
        """After a failure, choose a lower option; return whether one is left."""
        self._denoiser.forget_batch()
        return self._fit.lower(reason)

    def _draw_picture(self, job: _Job, index: int, inputs: _Inputs, noise: Future[Tensor]) -> bool:
        """Draw one picture and start to encode it; False if cancelled."""
        with job.timer.stage("denoise_s"):
            latents = self._denoise(job, index, inputs, noise.result())
        if latents is None:
            return False
        vae = self._parts.vae
        with job.timer.stage("decode_s"):
            pixels = self._through_vae(job.request, lambda is_lean: decode(vae, latents, is_lean=is_lean))
        job.reporter.report_picture(self._encoder.submit(index, pixels.wait, inputs.settings))
        return True

    def _through_vae(self, request: RenderRequest, work: Callable[[bool], T]) -> T:
        """Encode or decode, with little memory if the plan says so or the memory does not suffice."""
        is_lean = self._plan.has_vae_in_parts(request.width_px, request.height_px)

        def lower(reason: str) -> bool:
            nonlocal is_lean
            if is_lean:
                return self._lower(reason)
            log.warning("the picture passes the VAE with less memory: it takes longer", reason=reason)
            is_lean = True
            return True

        return retry_with_less_memory(lambda: work(is_lean), lower)

    def _denoise(self, job: _Job, index: int, inputs: _Inputs, noise: Tensor) -> Tensor | None:
        """Return the latents of one picture; None if cancelled."""
        start = inputs.start
        strength = job.request.start.strength if job.request.start else 1.0
        sigmas = sigma_schedule(self._schedule, inputs.settings.steps, strength)

        def run() -> Tensor | None:
            begins = noise if start is None else add_noise(start, noise, sigmas[0])
            row = LatentRow(inputs.caption, inputs.stack, sigmas, begins)
            self._denoiser.join(row)
            try:
                while not row.is_done:
                    if job.is_cancelled():
                        return None
                    self._denoiser.step()
                    job.reporter.report_step(index, row.step, job.timer.held_bytes)
            finally:
                self._denoiser.leave(row)
            return row.latents

        return retry_with_less_memory(run, self._lower)

    def _block_store(
        self, blocks: BlockSource | None, placement: Placement, weight_format: WeightFormat
    ) -> BlockStore | None:
        if blocks is None:
            return None
        eight_bit = eight_bit_layers(blocks.layouts, weight_format, is_card=placement.is_card)
        lanes = lanes_of(placement.device)
        return BlockStore(blocks, placement.device, lanes, self._plan.resident_blocks, eight_bit)

    def _settings(self, request: RenderRequest, cell: Cell) -> PictureSettings:
        """Return the settings of one picture of a job."""
        start = request.start
        return PictureSettings(
            prompt=cell.prompt,
            seed=cell.seed,
            width_px=request.width_px,
            height_px=request.height_px,
            steps=cell.steps,
            model=self._model_name,
            loras=cell.loras,
            start=StartSettings(hashlib.sha256(start.png).hexdigest(), start.strength) if start else None,
        )


def _describe(plan: Plan, store: BlockStore | None) -> str:
    """Return the plan that is carried out, in words for the log."""
    blocks = f"{store.resident_blocks} of {store.main_blocks} blocks resident, " if store else ""
    decoder = ", VAE in parts" if plan.vae_in_parts else ""
    return f"{plan.weight_format}, base: {plan.base}, {blocks}text encoder: {plan.encoder}{decoder}"


def _saved_embeddings(
    config: EngineConfig, model: ModelInfo, placement: Placement, encoder: TextEncoder
) -> SavedEmbeddings | None:
    """Return the embeddings on the disk for an encoder that is not on the device; None for one that is."""
    if encoder.is_resident:
        return None
    identity = (
        weights_fingerprint(model.folder),
        config.plan.has_encoder_in_eight_bits if config.plan else False,
        placement.dtype,
        placement.name,
        torch.__version__,
    )
    return SavedEmbeddings(config.data_dir / PROMPTS, repr(identity), placement.device)
