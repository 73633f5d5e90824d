"""The floor: only the matrix products, convolutions and attentions, with the same shapes.

No program with the same arithmetic can be faster on this card. A better program can only save what is between
these operations: norms, RoPE, gates, launches, host code.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as nn
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from engine.bench.measurement import as_cuda_graph, measure
from engine.bench.report.results import FLOOR, ResultLine
from engine.bench.report.targets import FP8_FLOOR
from engine.bench.rows.eight_bit import NO_CARD, multiplies_in
from engine.bench.rows.workload import PictureSize, Workload, format_size, tokens_of
from engine.config import WeightFormat
from engine.eight_bit.formats import FP8, EightBitFormat
from engine.eight_bit.products import multiply
from engine.eight_bit.quantise import quantise
from engine.request import STEPS
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.tokens import LatentSize, padded_length, token_count
from engine.zimage.noise import PIXELS_PER_LATENT

ARITHMETIC = {nn.linear, nn.conv2d, nn.scaled_dot_product_attention}

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def products(
    forward: Forward,
    rows: int,
    size: LatentSize,
    caption: int,
    eight_bit: EightBitFormat | None = None,
) -> Callable[[], None]:
    """Return all wide products of one step, for ``rows`` pictures with a caption of ``caption`` tokens.

    ``eight_bit`` is the format of the large layers, with a scale per row on both sides; None for the model's.
    """
    picture = padded_length(token_count(size)) * rows
    joint = picture + padded_length(caption) * rows
    tokens = {"noise_refiner": picture, "layers": joint, "all_x_embedder": picture, "all_final_layer": joint}
    large = forward.weights.large_layers if eight_bit else ()
    wide = [
        (name, layer.weight, tokens[group])
        for name, layer in forward.weights.layers.items()
        if (group := name.partition(".")[0]) in tokens and "adaLN" not in name
    ]
    weights = [(weight, count) for name, weight, count in wide if name not in large]
    inputs = {
        (weight.shape[1], count): torch.randn(
            count, weight.shape[1], dtype=weight.dtype, device=weight.device
        )
        for _, weight, count in wide
    }
    eight_bit_calls = [
        (quantise(inputs[weight.shape[1], count], eight_bit), quantise(weight, eight_bit))
        for name, weight, count in wide
        if eight_bit and name in large
    ]

    def work() -> None:
        for x, weight in eight_bit_calls:
            multiply(x, weight.values, weight.scales)
        for matrix, count in weights:
            nn.linear(inputs[matrix.shape[1], count], matrix)

    return work


def attention(forward: Forward, rows: int, size: LatentSize, caption: int) -> Callable[[], None]:
    """Return all attentions of one step, without a mask."""
    picture = padded_length(token_count(size))
    lengths = [picture] * len(forward.weights.noise_refiner)
    lengths += [picture + padded_length(caption)] * len(forward.weights.main)
    head = forward.weights.main[0].norm_qk.shape[-1]
    heads = forward.weights.main[0].out.weight.shape[1] // head
    inputs = {
        length: torch.randn(3, rows, heads, length, head, dtype=forward.dtype, device=forward.device)
        for length in set(lengths)
    }

    def work() -> None:
        for length in lengths:
            query, key, value = inputs[length]
            nn.scaled_dot_product_attention(query, key, value)

    return work


class Floor:
    """The arithmetic of a whole picture. Open it before our pipeline: both fuse the shared weights."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._pipeline = workload.twin()
        self._forward = Forward(self._pipeline.transformer)
        self._device = workload.placement.device
        self._tokens = tokens_of(self._pipeline, workload.prompt()[0])
        self._text_ms = self._read(self._text())

    def line(self, row: str) -> ResultLine:
        """Measure eight steps, the needed layers of the text encoder, and the decoder."""
        return self._measured(row, None)

    def fp8_line(self, row: str) -> ResultLine:
        """As ``line`` with the large products in fp8; no value without such a card."""
        who, work = FP8_FLOOR[row], format_size(self._workload.sizes[row])
        if not multiplies_in(WeightFormat.FP8, self._device):
            return ResultLine("E12", who, None, work=work, note=NO_CARD)
        return replace(self._measured(row, FP8), row="E12", who=who)

    @torch.no_grad()
    def _measured(self, row: str, eight_bit: EightBitFormat | None) -> ResultLine:
        latents = sized(self._workload.sizes[row])
        shape = 1, latents, self._tokens.shape[1]
        products_ms = self._read(products(self._forward, *shape, eight_bit))
        attention_ms = self._least_attention_ms(attention(self._forward, *shape))
        decode_ms = self._read(self._decode(latents))
        whole_ms = STEPS * (products_ms + attention_ms) + self._text_ms + decode_ms
        note = (
            f"{STEPS} × ({products_ms:.2f} products + {attention_ms:.2f} attention) "
            f"+ {self._text_ms:.2f} text + {decode_ms:.2f} VAE, ms"
        )
        return ResultLine(row, FLOOR, whole_ms / 1000, work=format_size(self._workload.sizes[row]), note=note)

    def close(self) -> None:
        """Do nothing: the memory is freed with the last reference."""

    def _least_attention_ms(self, work: Callable[[], None]) -> float:
        """Return the time of the fastest kernel; torch's default differs by version."""
        read = [self._read(work)]
        if self._workload.placement.is_card and self._workload.placement.dtype == torch.bfloat16:
            with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                read.append(self._read(work))
        return min(read)

    def _text(self) -> Callable[[], None]:
        """Return the text encoder's arithmetic up to the second-to-last layer, without padding."""
        encoder = self._pipeline.text_encoder.base_model
        encoder.layers = encoder.layers[:-1]
        return record_arithmetic(lambda: encoder(input_ids=self._tokens, use_cache=False))[0]

    def _decode(self, latents: LatentSize) -> Callable[[], None]:
        vae: Any = copy.deepcopy(self._pipeline.vae)
        if self._workload.placement.is_card:
            vae.to(memory_format=torch.channels_last)
        values = torch.randn(1, self._forward.channels, *latents, dtype=vae.dtype, device=self._device)
        return record_arithmetic(lambda: vae.decode(values, return_dict=False))[0]

    @torch.no_grad()
    def _read(self, work: Callable[[], None]) -> float:
        with torch.backends.cudnn.flags(enabled=True, benchmark=self._workload.placement.is_card):
            return measure(
                as_cuda_graph(work, self._device), self._device, self._workload.effort.rounds
            ).milliseconds


def sized(size: PictureSize) -> LatentSize:
    """Pixels → latents: height, width."""
    return size[1] // PIXELS_PER_LATENT, size[0] // PIXELS_PER_LATENT


class _Recorder(TorchFunctionMode):
    """Records all calls of ``ARITHMETIC``: weights as they are, inputs by their shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._inputs: dict[tuple[Any, ...], Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in ARITHMETIC:
            stand_ins = {name: self._stand_in(value) for name, value in kwargs.items()}
            self.calls.append((func, tuple(map(self._stand_in, args)), stand_ins))
        return func(*args, **kwargs)

    def _stand_in(self, value: Any) -> Any:
        """Return one random tensor for all inputs of a shape, to save memory."""
        if not isinstance(value, Tensor) or isinstance(value, torch.nn.Parameter):
            return value
        key = tuple(value.shape), value.stride(), value.dtype
        if key not in self._inputs:
            made = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=value.device)
            self._inputs[key] = made.normal_() if made.is_floating_point() else made.fill_(1)
        return self._inputs[key]


@torch.no_grad()
def record_arithmetic(work: Callable[[], object]) -> tuple[Callable[[], None], int]:
    """Run ``work`` once; return a function that repeats its arithmetic alone, and the number of operations.

    The inputs are random. Zeros would draw less power, and the card would run faster than with real data.
    """
    with _Recorder() as recorder:
        work()
    calls = recorder.calls

    @torch.no_grad()
    def again() -> None:
        for function, args, kwargs in calls:
            function(*args, **kwargs)

    return again, len(calls)
