"""The copy that `sugarbot setup` makes is bit-identical to what torch loads from the source."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ZImagePipeline

from engine.bench import random_checkpoint
from engine.checkpoint.convert import convert, to_bfloat16
from engine.checkpoint.model import find_model, find_source
from engine.config import EngineConfig
from engine.zimage.device import Placement
from engine.zimage.model_loader import load_pipeline
from engine.zimage.text.encoder import fused_layers
from engine.zimage.vae.loader import OwnVae


@pytest.mark.parametrize("wide", [torch.float32, torch.float16], ids=str)
def test_rounding_equals_torchs(wide: torch.dtype) -> None:
    if wide == torch.float16:
        numbers = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.float16)  # all there are
    else:
        bits = torch.randint(-(2**31), 2**31, (2**21,), generator=torch.Generator().manual_seed(1))
        ties = (torch.arange(2**16) << 16) + 0x8000  # half way between each two neighbours
        numbers = torch.cat([bits, ties - 2**31]).to(torch.int32).view(torch.float32)
    ours = torch.from_numpy(to_bfloat16(numbers.numpy()).view(np.int16)).view(torch.bfloat16)
    theirs = numbers.to(torch.bfloat16)
    is_number = ~torch.isnan(numbers)
    assert is_number.sum() > 2**15
    assert torch.equal(ours.view(torch.int16)[is_number], theirs.view(torch.int16)[is_number])
    assert torch.isnan(ours[~is_number]).all()


def test_the_copy_loads_like_the_source(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    random_checkpoint.main(["--into", str(folder), "--tiny", "--fp32", "--device", "cpu"])
    config = EngineConfig(tmp_path / "data", lora_dir=tmp_path, model=str(folder), device="cuda")
    copy = convert(find_source(config), config.data_dir, lambda *_: None)
    assert find_model(config).folder == copy.resolve()
    theirs = ZImagePipeline.from_pretrained(folder, dtype=torch.bfloat16, local_files_only=True)
    ours = load_pipeline(copy, Placement(torch.device("cpu"), "CPU", torch.bfloat16, "a card's format"))
    layers = fused_layers(theirs.text_encoder.base_model.state_dict(), ours.text_encoder.config)
    for wanted_layer, layer in zip(layers, ours.text_encoder.layers, strict=True):
        assert all(torch.equal(wanted, found) for wanted, found in zip(wanted_layer, layer, strict=True))
    assert isinstance(ours.vae, OwnVae)
    parts = (theirs.transformer, ours.transformer), (theirs.vae.decoder, ours.vae.decoder)
    for wanted, found in ((their_part.state_dict(), own_part.state_dict()) for their_part, own_part in parts):
        assert wanted.keys() == found.keys()
        assert all(torch.equal(wanted[name], found[name]) for name in wanted)
