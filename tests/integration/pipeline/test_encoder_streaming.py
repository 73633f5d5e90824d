"""A text encoder whose layers pass through the card gives the same embeddings as one that is on it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.config import EngineConfig, Plan, WeightLocation
from engine.demo.networks import WEIGHTS
from engine.zimage.device import choose_placement
from engine.zimage.model_loader import load_pipeline, weights_bytes
from engine.zimage.pipeline import Pipeline
from engine.zimage.text.encoder import TextEncoder
from engine.zimage.text.streaming import SLOTS, StreamedLayers

OFF_CARD = [WeightLocation.PINNED, WeightLocation.DISK]
IDS = [7, 5, 3, 2, 11]


def encoder_at(location: WeightLocation) -> TextEncoder:
    return load_pipeline(WEIGHTS, choose_placement("cpu"), encoder=location).text_encoder


def embedding_by(encoder: TextEncoder) -> Tensor:
    return encoder(encoder.look_up(IDS))


@pytest.mark.parametrize("location", OFF_CARD)
def test_embeddings_have_the_same_bits(location: WeightLocation) -> None:
    resident, streamed = encoder_at(WeightLocation.CARD), encoder_at(location)
    assert resident.is_resident
    assert not streamed.is_resident
    for _ in range(2):
        assert torch.equal(embedding_by(streamed), embedding_by(resident))


@pytest.mark.parametrize("location", OFF_CARD)
def test_layers_that_the_configuration_does_not_name_are_not_used(
    location: WeightLocation, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(WEIGHTS, tmp_path / "copy"))
    path = copy / "text_encoder" / "config.json"
    config = json.loads(path.read_bytes())
    path.write_text(json.dumps({**config, "num_hidden_layers": config["num_hidden_layers"] - 1}))
    resident, streamed = (
        load_pipeline(copy, choose_placement("cpu"), encoder=each).text_encoder
        for each in (WeightLocation.CARD, location)
    )
    assert torch.equal(embedding_by(streamed), embedding_by(resident))


@pytest.mark.parametrize("location", OFF_CARD)
def test_the_slots_are_few_and_only_there_during_a_prompt(
    location: WeightLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoder_at(location)
    layers = encoder.layers
    assert isinstance(layers, StreamedLayers)
    made, real = [], layers._new_slot
    monkeypatch.setattr(layers, "_new_slot", lambda: made.append(real()) or made[-1])
    addresses = {weights.qkv.data_ptr() for weights in layers}
    assert len(made) == SLOTS
    assert len(addresses) == min(SLOTS, encoder.config.num_hidden_layers - 1)


def test_an_abandoned_iteration_leaves_the_next_prompt_correct() -> None:
    encoder = encoder_at(WeightLocation.PINNED)
    iteration = iter(encoder.layers)
    next(iteration)
    del iteration
    assert torch.equal(embedding_by(encoder), embedding_by(encoder_at(WeightLocation.CARD)))


def test_weights_that_are_not_on_the_card_do_not_count() -> None:
    card, pinned = (
        load_pipeline(WEIGHTS, choose_placement("cpu"), encoder=location)
        for location in (WeightLocation.CARD, WeightLocation.PINNED)
    )
    layers = sum(each.nbytes for layer in card.text_encoder.layers for each in layer)
    assert weights_bytes(card) - weights_bytes(pinned) == layers


@pytest.mark.parametrize("location", [WeightLocation.PINNED, WeightLocation.DISK])
def test_a_plan_says_where_the_encoder_is(location: WeightLocation, tmp_path: Path) -> None:
    config = EngineConfig(tmp_path, tmp_path / "loras", device="cpu", plan=Plan(encoder=location))
    pipeline = Pipeline.load(config)
    try:
        assert not pipeline._text._encoder.is_resident
        assert f"text encoder: {location}" in pipeline.info.plan
    finally:
        pipeline.close()
