"""Puts a job's LoRAs on the model and takes them off again, whatever happens in between.

Only tensors that we read and checked ourselves reach the model, as peft layers beside the untouched base
weights; taking them off restores the very modules of before, so nothing drifts from job to job.
"""

import math
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from engine.errors import LoraForAnotherModel, LoraMissing, LoraRejected
from engine.lora.find import Finder
from engine.lora.formats import SHOWN, normalise
from engine.lora.read import read_tensors
from engine.request import LoraChoice

CACHE_BYTES = 2**30  # of main memory: six rank-32 LoRAs of Z-Image at 159 MB each

StateDict = dict[str, Tensor]


class Loras:
    """The LoRAs of one pipeline.

    Args:
        pipeline: A diffusers ``ZImagePipeline``.
        finder: Where the files lie.
        cache_bytes: How much main memory parsed files may keep, the least recently used going first.
    """

    def __init__(self, pipeline: Any, finder: Finder, cache_bytes: int = CACHE_BYTES) -> None:
        self._pipeline = pipeline
        self._finder = finder
        self._cache = _Cache(cache_bytes)
        self._shapes = {
            name: (module.out_features, module.in_features)
            for name, module in pipeline.transformer.named_modules()
            if isinstance(module, torch.nn.Linear)
        }

    @contextmanager
    def attached(self, choices: Sequence[LoraChoice]) -> Iterator[None]:
        """Draw with these LoRAs inside the context; outside it the model is the base, bit for bit.

        Raises:
            LoraRejected: A file is missing, changed, damaged or for another model. Nothing stays attached.
                Facts: ``name`` and what its class says.
        """
        if not choices:
            yield
            return
        state_dicts = [self._state_dict(choice) for choice in choices]
        adapters = [f"choice_{place}" for place in range(len(choices))]  # peft's names; dots are not allowed
        try:
            with warnings.catch_warnings():
                # peft warns of a second adapter on one model, which is what a stack of LoRAs is.
                warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
                for adapter, state_dict in zip(adapters, state_dicts, strict=True):
                    self._pipeline.load_lora_weights(state_dict, adapter_name=adapter)
            self._pipeline.set_adapters(adapters, adapter_weights=[choice.weight for choice in choices])
            for adapter, state_dict, choice in zip(adapters, state_dicts, choices, strict=True):
                self._require_attached(adapter, state_dict, choice)
            yield
        finally:
            self._pipeline.unload_lora_weights()

    def _state_dict(self, choice: LoraChoice) -> StateDict:
        """The file as diffusers takes it, in the model's number format, from memory where it is known."""
        state_dict = self._cache.get(choice.sha256)
        if state_dict is None:
            try:
                pairs = normalise(self._read(choice), self._shapes)
            except LoraRejected as error:
                error.facts["name"] = choice.name
                raise
            dtype = self._pipeline.transformer.dtype
            state_dict = {}
            for module, pair in pairs.items():
                state_dict[f"transformer.{module}.lora_A.weight"] = pair.down.to(dtype)
                state_dict[f"transformer.{module}.lora_B.weight"] = pair.up.to(dtype)
            self._cache.put(choice.sha256, state_dict)
        return state_dict

    def _read(self, choice: LoraChoice) -> StateDict:
        try:
            return read_tensors(self._finder.path_of(choice), choice)
        except LoraMissing:
            self._finder.look_again()  # the file was renamed or replaced since the shelf was read
            return read_tensors(self._finder.path_of(choice), choice)

    def _require_attached(self, adapter: str, state_dict: StateDict, choice: LoraChoice) -> None:
        """Make sure that every matrix of the file takes effect at its weight; libraries may drop some."""
        missing = []
        for key, tensor in state_dict.items():
            module, _, part = key.removeprefix("transformer.").removesuffix(".weight").rpartition(".")
            layer = self._pipeline.transformer.get_submodule(module)
            matrices = getattr(layer, part, {})
            if (
                adapter not in matrices
                or matrices[adapter].weight.is_meta
                or matrices[adapter].weight.shape != tensor.shape
                or adapter not in layer.active_adapters
                or not math.isclose(layer.scaling[adapter], choice.weight)
            ):
                missing.append(module)
        if missing:
            raise LoraForAnotherModel(name=choice.name, why="not_attached", found=tuple(missing[:SHOWN]))


class _Cache:
    """State dicts by hash, at most ``limit_bytes`` together, the least recently used dropped first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._entries: OrderedDict[str, StateDict] = OrderedDict()

    def get(self, sha256: str) -> StateDict | None:
        if sha256 in self._entries:
            self._entries.move_to_end(sha256)
        return self._entries.get(sha256)

    def put(self, sha256: str, state_dict: StateDict) -> None:
        self._entries[sha256] = state_dict
        while len(self._entries) > 1 and sum(map(_bytes, self._entries.values())) > self._limit_bytes:
            self._entries.popitem(last=False)


def _bytes(state_dict: StateDict) -> int:
    return sum(tensor.nbytes for tensor in state_dict.values())
