"""Every known layout becomes the same pairs, and no file is applied partly."""

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import (
    LoraDamaged,
    LoraForAnotherModel,
    LoraForTextEncoder,
    LoraIncomplete,
    LoraNamedTwice,
    LoraRankRefused,
    LoraRejected,
    LoraTooLarge,
    LoraUnsupported,
)
from engine.lora.formats import normalise
from engine.lora.updates import LowRank
from engine.shelf import MAX_RANK, validation

WIDTH, HIDDEN, RANK = 12, 20, 4
SHAPES = {
    **{
        f"layers.{n}.attention.{part}": (WIDTH, WIDTH)
        for n in (0, 1)
        for part in ("to_q", "to_k", "to_v", "to_out.0")
    },
    **{f"layers.{n}.feed_forward.w1": (HIDDEN, WIDTH) for n in (0, 1)},
    **{f"layers.{n}.feed_forward.w2": (WIDTH, HIDDEN) for n in (0, 1)},
    "all_final_layer.2-1.linear": (8, WIDTH),
}
TO_Q = "layers.0.attention.to_q"


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def matrices(module: str, rank: int = RANK) -> tuple[Tensor, Tensor]:
    out, into = SHAPES[module]
    return random(rank, into), random(out, rank)


def product(pair: LowRank) -> Tensor:
    return pair.up @ pair.down


def pairs_of(tensors: dict[str, Tensor], shapes: dict[str, tuple[int, int]]) -> dict[str, LowRank]:
    """Convert a file of which every update is one pair."""
    pairs = {}
    for module, update in normalise(tensors, shapes).linears.items():
        (pair,) = update.terms
        assert isinstance(pair, LowRank)
        pairs[module] = pair
    return pairs


LAYOUTS = {
    "diffusers": "transformer.{dots}.lora_{AB}.weight",
    "bare": "{dots}.lora_{AB}.weight",
    "raw peft": "base_model.model.{dots}.lora_{AB}.weight",
    "peft in memory": "transformer.{dots}.lora_{AB}.default.weight",
    "ai-toolkit": "diffusion_model.{dots}.lora_{AB}.weight",
    "down and up": "diffusion_model.{dots}.lora_{du}.weight",
    "kohya": "lora_unet_{lines}.lora_{du}.weight",
}


def in_layout(layout: str, module: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    names = {"dots": module, "lines": module.replace(".", "_")}
    return {
        LAYOUTS[layout].format(AB="A", du="down", **names): down,
        LAYOUTS[layout].format(AB="B", du="up", **names): up,
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_every_module_its_own_matrices(layout: str) -> None:
    tensors = {}
    for module in SHAPES:
        tensors |= in_layout(layout, module, *matrices(module))
    pairs = pairs_of(tensors, SHAPES)
    assert set(pairs) == set(SHAPES)
    for module, pair in pairs.items():
        down, up = matrices(module)
        assert torch.equal(pair.down, down)
        assert torch.equal(pair.up, up)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_alpha_scales_the_product_by_alpha_over_rank(layout: str) -> None:
    down, up = matrices(TO_Q)
    tensors = in_layout(layout, TO_Q, down, up)
    stem = next(iter(tensors)).partition(".lora_A")[0].partition(".lora_down")[0]
    pairs = pairs_of({**tensors, f"{stem}.alpha": torch.tensor(1.0)}, SHAPES)
    assert torch.allclose(product(pairs[TO_Q]), up @ down / RANK)


@pytest.mark.parametrize(
    "name", ["diffusion_model.layers.1.attention.qkv", "lora_unet_layers_1_attention_qkv"]
)
@pytest.mark.parametrize("ending", [("lora_A", "lora_B"), ("lora_down", "lora_up")])
def test_a_fused_matrix_is_split_by_rows(name: str, ending: tuple[str, str]) -> None:
    down, up = random(RANK, WIDTH), random(3 * WIDTH, RANK)
    tensors = {f"{name}.{ending[0]}.weight": down, f"{name}.{ending[1]}.weight": up}
    pairs = pairs_of({**tensors, f"{name}.alpha": torch.tensor(2.0)}, SHAPES)
    fused = torch.cat([product(pairs[f"layers.1.attention.to_{part}"]) for part in "qkv"])
    assert torch.allclose(fused, up @ down * (2.0 / RANK))
    assert len(pairs) == 3


def test_ranks_may_differ_between_modules() -> None:
    tensors = in_layout("bare", TO_Q, *matrices(TO_Q, 2))
    tensors |= in_layout("bare", "layers.0.feed_forward.w1", *matrices("layers.0.feed_forward.w1", 8))
    pairs = pairs_of(tensors, SHAPES)
    assert {module: pair.down.shape[0] for module, pair in pairs.items()} == {
        TO_Q: 2,
        "layers.0.feed_forward.w1": 8,
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_alpha_is_multiplied_in_float32_and_rounded_once_to_the_models_format(dtype: torch.dtype) -> None:
    down, up = (each.half() for each in matrices(TO_Q, 3))
    tensors = {**in_layout("bare", TO_Q, down, up), f"{TO_Q}.alpha": torch.tensor(1.0)}
    (pair,) = normalise(tensors, SHAPES, dtype=dtype).linears[TO_Q].terms
    assert isinstance(pair, LowRank)
    assert torch.equal(pair.up, (up.float() * (1 / 3)).to(dtype))
    assert pair.down.data_ptr() == down.data_ptr()


def test_an_alpha_that_changes_nothing_copies_nothing() -> None:
    tensors = in_layout("bare", TO_Q, *matrices(TO_Q))
    pair = pairs_of({**tensors, f"{TO_Q}.alpha": torch.tensor(float(RANK))}, SHAPES)[TO_Q]
    assert pair.up.data_ptr() == tensors[f"{TO_Q}.lora_B.weight"].data_ptr()


def in_one_piece(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as views of one block of memory, as from a file."""
    pieces = [tensor.contiguous().view(-1).view(torch.uint8) for tensor in tensors.values()]
    content = iter(torch.split(torch.cat(pieces), [len(piece) for piece in pieces]))
    return {name: next(content).view(tensor.dtype).view(tensor.shape) for name, tensor in tensors.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 5, -1])
def test_a_value_that_is_not_finite_is_found_anywhere_in_a_file(
    dtype: torch.dtype, value: float, place: int
) -> None:
    whole = {
        name: tensor.to(dtype)
        for module in SHAPES
        for name, tensor in in_layout("bare", module, *matrices(module)).items()
    }
    assert pairs_of(in_one_piece(whole), SHAPES).keys() == SHAPES.keys()
    for name in whole:
        broken = in_one_piece(whole)
        broken[name].view(-1)[place] = value
        with pytest.raises(LoraDamaged) as caught:
            normalise(broken, SHAPES)
        assert caught.value.facts["why"] == "not_finite"
        assert caught.value.facts["found"] == (name.partition(".lora_")[0],)


def test_tensors_of_another_number_format_in_between_are_not_taken_for_damaged_ones() -> None:
    down, up = matrices(TO_Q)
    half_of_it_is_nan = torch.tensor([0x3F807FC0], dtype=torch.int32).view(torch.float32)
    assert torch.isfinite(half_of_it_is_nan).all()
    assert not torch.isfinite(half_of_it_is_nan.view(torch.bfloat16)).all()
    first = in_layout("bare", TO_Q, down.bfloat16(), half_of_it_is_nan.expand_as(up).clone())
    last = in_layout("bare", "layers.0.feed_forward.w1", *matrices("layers.0.feed_forward.w1"))
    tensors = first | {name: tensor.bfloat16() for name, tensor in last.items()}
    assert len(pairs_of(in_one_piece(tensors), SHAPES)) == 2


def good() -> dict[str, Tensor]:
    return in_layout("bare", TO_Q, *matrices(TO_Q))


def changed(**names: Tensor | None) -> dict[str, Tensor]:
    """A valid file with tensors of to_q replaced or removed."""
    keys = {"down": f"{TO_Q}.lora_A.weight", "up": f"{TO_Q}.lora_B.weight", "alpha": f"{TO_Q}.alpha"}
    tensors: dict[str, Any] = good() | {keys[name]: tensor for name, tensor in names.items()}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


NAN = torch.full((WIDTH, RANK), float("nan"))
INF = torch.full((RANK, WIDTH), float("inf"))
NO_RANK = changed(down=torch.ones(0, WIDTH), up=torch.ones(WIDTH, 0))
HUGE_RANK = changed(down=random(MAX_RANK + 1, WIDTH), up=random(WIDTH, MAX_RANK + 1))
ANOTHER_BLOCK = good() | in_layout("bare", "layers.7.attention.to_q", *matrices(TO_Q))
TEXT_ENCODER = good() | {"lora_te_layers_0.lora_down.weight": random(4, 4)}
# Each of these numbers is finite in its own format; up times alpha / rank is not.
SCALED_OUT_OF_HALF = changed(
    down=random(RANK, WIDTH).half(), up=torch.full((WIDTH, RANK), 100.0).half(), alpha=torch.tensor(1e5)
)
SCALED_OUT_OF_BRAIN = changed(
    down=random(RANK, WIDTH).bfloat16(),
    up=torch.full((WIDTH, RANK), 1e3).bfloat16(),
    alpha=torch.tensor(3e38),
)
SCALED_OUT_OF_FULL = changed(up=torch.full((WIDTH, RANK), 3.4e38), alpha=torch.tensor(2.0 * RANK))
FUSED = "layers.0.attention.qkv"
FUSED_AND_NOT = good() | {
    f"{FUSED}.lora_A.weight": random(RANK, WIDTH),
    f"{FUSED}.lora_B.weight": random(3 * WIDTH, RANK),
}
REFUSED: dict[str, tuple[dict[str, Tensor], type[LoraRejected], str]] = {
    "no tensors": ({}, LoraUnsupported, "empty"),
    "no down": (changed(down=None), LoraIncomplete, "incomplete"),
    "no up": (changed(up=None), LoraIncomplete, "incomplete"),
    "alpha alone": ({f"{TO_Q}.alpha": torch.tensor(1.0)}, LoraIncomplete, "incomplete"),
    "ranks differ": (changed(down=random(5, WIDTH)), LoraIncomplete, "not_matrices"),
    "nan": (changed(up=NAN), LoraDamaged, "not_finite"),
    "infinite": (changed(down=INF), LoraDamaged, "not_finite"),
    "alpha is nan": (changed(alpha=torch.tensor(float("nan"))), LoraDamaged, "not_finite"),
    "alpha out of bfloat16": (SCALED_OUT_OF_BRAIN, LoraDamaged, "not_finite"),
    "alpha out of float32": (SCALED_OUT_OF_FULL, LoraDamaged, "not_finite"),
    "alpha is a list": (changed(alpha=torch.ones(3)), LoraUnsupported, "alpha"),
    "all zero": (changed(up=torch.zeros(WIDTH, RANK)), LoraDamaged, "all_zero"),
    "whole numbers": (changed(up=torch.ones(WIDTH, RANK).char()), LoraUnsupported, "number_format"),
    "one dimension": (changed(up=torch.ones(WIDTH)), LoraIncomplete, "not_matrices"),
    "convolution": (changed(up=torch.ones(WIDTH, RANK, 3, 3)), LoraIncomplete, "not_matrices"),
    "no rank": (NO_RANK, LoraRankRefused, "rank"),
    "huge rank": (HUGE_RANK, LoraRankRefused, "rank"),
    "too wide": (changed(down=random(RANK, WIDTH + 1)), LoraForAnotherModel, "shape"),
    "too tall": (changed(up=random(WIDTH + 1, RANK)), LoraForAnotherModel, "shape"),
    "another block": (ANOTHER_BLOCK, LoraForAnotherModel, "unknown_modules"),
    "text encoder": (TEXT_ENCODER, LoraForTextEncoder, "text_encoder"),
    "lokr": ({f"{TO_Q}.lokr_w1": random(2, 2)}, LoraIncomplete, "incomplete"),
    "loha": ({f"{TO_Q}.hada_w1_a": random(2, 2)}, LoraIncomplete, "incomplete"),
    "bias": (good() | {f"{TO_Q}.lora_B.bias": random(WIDTH + 1)}, LoraForAnotherModel, "shape"),
    "two layouts": (good() | in_layout("diffusers", TO_Q, *matrices(TO_Q)), LoraNamedTwice, "named_twice"),
    "fused and not": (FUSED_AND_NOT, LoraNamedTwice, "named_twice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_fits_only_partly_is_refused(case: str) -> None:
    tensors, error, why = REFUSED[case]
    with pytest.raises(error) as caught:
        normalise(tensors, SHAPES)
    assert type(caught.value) is error
    assert caught.value.facts["why"] == why
    found = caught.value.facts["found"]
    assert isinstance(found, tuple)
    assert len(found) <= 3


def test_a_scaled_matrix_beyond_the_models_number_format_is_refused() -> None:
    assert pairs_of(SCALED_OUT_OF_HALF, SHAPES).keys() == {TO_Q}  # float32 holds it
    with pytest.raises(LoraDamaged) as caught:
        normalise(SCALED_OUT_OF_HALF, SHAPES, dtype=torch.float16)
    assert caught.value.facts == {"why": "not_finite", "found": (TO_Q,)}


def test_a_small_file_that_needs_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = (random(WIDTH, RANK), random(RANK, WIDTH))
    loha = dict(zip(("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), pair + pair, strict=True))
    tensors = {f"{TO_Q}.{name}": matrix for name, matrix in loha.items()}
    needed = RANK**2 * 2 * WIDTH * validation.HELD_ITEM_BYTES
    monkeypatch.setattr(validation, "MAX_HELD_BYTES", needed)
    assert pairs_of(tensors, SHAPES)[TO_Q].down.shape == (RANK**2, WIDTH)
    monkeypatch.setattr(validation, "MAX_HELD_BYTES", needed - 1)
    with pytest.raises(LoraTooLarge):
        normalise(tensors, SHAPES)


def test_only_the_names_that_do_not_fit_are_listed() -> None:
    with pytest.raises(LoraForAnotherModel) as caught:
        normalise(ANOTHER_BLOCK, SHAPES)
    assert caught.value.facts["found"] == ("layers.7.attention.to_q",)


def test_a_file_with_one_zero_layer_is_accepted() -> None:
    other = "layers.0.feed_forward.w1"
    down, up = matrices(other)
    assert len(pairs_of(good() | in_layout("bare", other, down, torch.zeros_like(up)), SHAPES)) == 2
