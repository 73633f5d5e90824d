"""A text encoder in eight bits: the same bits wherever its layers are, half the size, near bfloat16."""

from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.config import EngineConfig, Plan, WeightFormat, WeightLocation
from engine.demo.networks import WEIGHTS
from engine.eight_bit import formats
from engine.eight_bit.quantise import EightBitMatrix, dequantise
from engine.zimage import weight_reader
from engine.zimage.device import Placement, choose_placement
from engine.zimage.model_loader import load_pipeline
from engine.zimage.text import scaled
from engine.zimage.text.encoder import EncoderConfig, LayerWeights, TextEncoder
from engine.zimage.text.prompt import Text
from tests.integration.pipeline.reference import error_of

CPU = torch.device("cpu")
IDS = [7, 5, 3, 2, 11]
EVERYWHERE = list(WeightLocation)


def encoder_at(
    location: WeightLocation, *, is_rounded: bool = True, dtype: torch.dtype = torch.bfloat16
) -> TextEncoder:
    place = Placement(CPU, "CPU", dtype, "for this test")
    return load_pipeline(WEIGHTS, place, encoder=location, rounds_encoder=is_rounded).text_encoder


def embedding_by(encoder: TextEncoder) -> Tensor:
    return encoder(encoder.look_up(IDS))


@pytest.mark.parametrize("location", [WeightLocation.PINNED, WeightLocation.DISK])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_embeddings_have_the_same_bits_wherever_the_layers_are(
    location: WeightLocation, dtype: torch.dtype
) -> None:
    expected = embedding_by(encoder_at(WeightLocation.CARD, dtype=dtype))
    streamed = encoder_at(location, dtype=dtype)
    for _ in range(2):
        assert torch.equal(embedding_by(streamed), expected)


def test_an_embedding_changes_by_little_and_keeps_its_number_format() -> None:
    usual = embedding_by(encoder_at(WeightLocation.CARD, is_rounded=False, dtype=torch.float32))
    found = embedding_by(encoder_at(WeightLocation.CARD, dtype=torch.float32))
    assert found.dtype is torch.float32
    assert 0 < error_of(found, usual) < 0.02


def test_every_matrix_of_a_layer_is_rounded_and_nothing_else() -> None:
    encoder = encoder_at(WeightLocation.CARD)
    assert isinstance(encoder.layers, list)
    for layer in encoder.layers:
        for name, weight in layer._asdict().items():
            assert isinstance(weight, EightBitMatrix) == (name in ("qkv", "out", "w13", "w2"))
    usual = encoder_at(WeightLocation.CARD, is_rounded=False)
    table = encoder.embedding.nbytes
    assert (encoder.nbytes - table) / (usual.nbytes - table) == pytest.approx(0.5, abs=0.03)


def text_encoder_at(location: WeightLocation) -> weight_reader.PartWeights:
    place = Placement(CPU, "CPU", torch.bfloat16, "for this test")
    reader = weight_reader.WeightReader(WEIGHTS, place, encoder=location, rounds_encoder=True)
    part = reader.wait_for("text_encoder")
    for other in ("vae", "transformer"):
        reader.wait_for(other)  # the next test counts what is read
    return part


def test_main_memory_holds_one_byte_for_each_number() -> None:
    part = text_encoder_at(WeightLocation.PINNED)
    assert part.blocks is not None
    assert part.blocks.host_bytes == sum(layout.numbers for layout in part.blocks.layouts.values())
    assert not text_encoder_at(WeightLocation.DISK).scaled


def test_few_matrices_are_held_unrounded_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[int] = []  # +1 for a new matrix, -1 for one that is rounded
    empty, real = torch.empty, weight_reader.rounded

    def noting(*shape: Any, **options: Any) -> Tensor:
        changes.append(1)
        return empty(*shape, **options)

    def counting(weight: Tensor) -> EightBitMatrix:
        changes.append(-1)
        return real(weight)

    monkeypatch.setattr(weight_reader.torch, "empty", noting)
    monkeypatch.setattr(weight_reader, "rounded", counting)
    matrices = text_encoder_at(WeightLocation.CARD).scaled
    monkeypatch.undo()
    assert changes.count(-1) == len(matrices) > weight_reader.ROUNDED_AT_ONCE
    until_last = changes[: len(changes) - changes[::-1].index(-1)]
    assert max(accumulate(until_last)) == weight_reader.ROUNDED_AT_ONCE


@pytest.mark.parametrize(("wanted", "capability", "is_rounded"), [
    (WeightFormat.INT8, (8, 6), True),
    (WeightFormat.FP8, (8, 9), True),
    (WeightFormat.FP8, (8, 6), False),  # the card cannot multiply in fp8: it draws in bf16
    (WeightFormat.BF16, (9, 0), False),
])  # fmt: skip
def test_the_encoder_is_in_eight_bits_when_the_transformer_is(
    wanted: WeightFormat,
    capability: tuple[int, int],
    is_rounded: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats.torch.cuda, "get_device_capability", lambda device: capability)
    card = torch.device("cuda")
    by_plan = EngineConfig(tmp_path, tmp_path, plan=Plan(weight_format=wanted, encoder=WeightLocation.PINNED))
    assert weight_reader.locations_of(by_plan, card) == (
        WeightLocation.CARD, WeightLocation.PINNED, is_rounded,
    )  # fmt: skip
    by_setting = EngineConfig(tmp_path, tmp_path, precision=wanted)
    assert weight_reader.locations_of(by_setting, card)[2] is is_rounded
    assert not weight_reader.locations_of(by_plan, CPU)[2]


def test_a_matrix_that_is_rounded_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(50, 24, generator=torch.Generator().manual_seed(0))
    whole = scaled.rounded(weight)
    monkeypatch.setattr(scaled, "ROWS_AT_ONCE", 16)
    pieces = scaled.rounded(weight)
    assert torch.equal(whole.values, pieces.values)
    assert torch.equal(whole.scales, pieces.scales)
    assert whole.scales.shape == (50, 1)


def test_a_product_is_that_of_the_rounded_numbers() -> None:
    weight = torch.randn(50, 24, generator=torch.Generator().manual_seed(0))
    matrix = scaled.rounded(weight)
    x = torch.randn(3, 24, generator=torch.Generator().manual_seed(1))
    assert error_of(scaled.linear(x, matrix), x @ dequantise(matrix.values, matrix.scales).mT) < 1e-6
    assert torch.equal(scaled.linear(x, weight), x @ weight.mT)
    assert 0 < error_of(scaled.linear(x, matrix), x @ weight.mT) < 0.01


class CopiesOf(TorchDispatchMode):
    """Counts what is copied to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket is torch.ops.aten._to_copy:
            self.count += out.device != args[0].device
        return out


def test_a_product_copies_nothing_to_its_device() -> None:
    """A CUDA graph cannot record such a copy, and outside of one each copy waits for the card."""
    weight = scaled.rounded(torch.randn(8, 1024, device="meta"))
    x = torch.randn(3, 1024, device="meta")
    scaled.linear(x, weight)
    with CopiesOf() as copies:
        scaled.linear(x, weight)
    assert copies.count == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
def test_a_card_records_prompts_of_an_encoder_in_eight_bits() -> None:
    parts = load_pipeline(WEIGHTS, choose_placement("cuda"), rounds_encoder=True)
    text, embeddings = Text(parts.tokenizer, parts.text_encoder), []
    for _ in range(3):  # without a graph, recorded, replayed
        embeddings.append(text.embed("a face"))
        text._embeddings.clear()
    assert text._graphs
    assert error_of(embeddings[1].float(), embeddings[0].float()) < 1e-2
    assert torch.equal(embeddings[1], embeddings[2])


def layers_with_outliers(count: int, width: int, inner: int, head: int) -> list[LayerWeights]:
    """Weights as Qwen3 has them: normal, some rows and single numbers many times larger."""
    generator = torch.Generator().manual_seed(5)

    def matrix(rows: int, columns: int) -> Tensor:
        numbers = torch.randn(rows, columns, generator=generator) * columns**-0.5
        numbers[:: max(1, rows // 7)] *= 8
        numbers.view(-1)[::997] *= 10
        return numbers

    ones = torch.ones

    def layer() -> LayerWeights:
        return LayerWeights(
            norm_before_attention=ones(width),
            qkv=matrix(4 * head, width),
            norms=ones(2, head),
            out=matrix(width, 2 * head),
            norm_before_feed=ones(width),
            w13=matrix(2 * inner, width),
            w2=matrix(width, inner),
        )

    return [layer() for _ in range(count)]


def test_the_error_is_about_that_of_bfloat16() -> None:
    """Against float32, with outliers in the weights."""
    width, inner, head = 256, 1024, 64
    config = EncoderConfig(
        num_hidden_layers=9, hidden_size=width, num_attention_heads=2, num_key_value_heads=1, head_dim=head,
        rms_norm_eps=1e-6, hidden_act="silu",
    )  # fmt: skip
    layers = layers_with_outliers(8, width, inner, head)
    table = torch.randn(40, width, generator=torch.Generator().manual_seed(6))

    def embedding(dtype: torch.dtype, *, is_rounded: bool) -> Tensor:
        own = []
        for layer in layers:
            given = {name: weight.to(dtype) for name, weight in layer._asdict().items()}
            if is_rounded:
                given |= {name: scaled.rounded(given[name]) for name in ("qkv", "out", "w13", "w2")}
            own.append(LayerWeights(**given))
        return embedding_by(TextEncoder(config, table.to(dtype), own, CPU)).float()

    exact = embedding(torch.float32, is_rounded=False)
    bf16 = error_of(embedding(torch.bfloat16, is_rounded=False), exact)
    eight = error_of(embedding(torch.bfloat16, is_rounded=True), exact)
    assert eight < 3 * bf16  # 2.3 times: 0.016 and 0.007
