"""peft's own adapters, saved as diffusers saves them, have the effect here that they have in peft."""

import json
from typing import Any

import pytest
import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from torch import Tensor, nn

from engine.lora.formats import normalise
from tests.fakes.lora_files.parts import Model, small_model
from tests.integration.pipeline.test_lora_layouts import LIMIT, effects, relative_error

MODEL = small_model()
TARGETS = ["to_q", "to_k", "w1", "w2", "adaLN_modulation.0"]
WITH_BIAS = ["adaLN_modulation.0", "cap_embedder.1"]
CONFIGS: dict[str, Any] = {
    "alpha": LoraConfig(r=8, lora_alpha=3, target_modules=TARGETS),
    "patterns": LoraConfig(
        r=8,
        lora_alpha=4,
        rank_pattern={"to_k": 2, "layers.0.attention.to_q": 4},
        alpha_pattern={"attention.to_q": 16, "layers.1.attention.to_q": 1, "feed_forward.w1": 5},
        target_modules=TARGETS,
    ),
    "rslora": LoraConfig(r=8, lora_alpha=4, use_rslora=True, target_modules=TARGETS),
    "rslora with patterns": LoraConfig(
        r=8,
        lora_alpha=4,
        use_rslora=True,
        rank_pattern={"w2": 3},
        alpha_pattern={"w2": 7},
        target_modules=TARGETS,
    ),
    "DoRA": LoraConfig(r=8, lora_alpha=4, use_dora=True, target_modules=TARGETS),
    "DoRA with rslora": LoraConfig(r=4, lora_alpha=4, use_dora=True, use_rslora=True, target_modules=TARGETS),
    "biases": LoraConfig(
        r=8, lora_alpha=4, lora_bias=True, target_modules=["adaLN_modulation.0", "cap_embedder.1"]
    ),
    "LoHa": LoHaConfig(r=4, alpha=2, target_modules=TARGETS),
    "LoKr": LoKrConfig(r=2, alpha=4, decompose_factor=4, target_modules=TARGETS),
    "LoKr, both factored": LoKrConfig(r=2, alpha=4, decompose_both=True, target_modules=TARGETS),
    "LoKr of whole factors": LoKrConfig(r=64, alpha=16, decompose_factor=4, target_modules=TARGETS),
}


def network(model: Model) -> nn.Module:
    """The model's linears, in modules of the same names."""
    root = nn.Module()
    for name, (out, into) in model.linears.items():
        place = root
        *path, last = name.split(".")
        for each in path:
            if not hasattr(place, each):
                place.add_module(each, nn.Module())
            place = place.get_submodule(each)
        linear = nn.Linear(into, out, bias=f"{name}.bias" in model.vectors)
        place.add_module(last, linear)
        linear.weight.data.copy_(model.weights[f"{name}.weight"])
        if linear.bias is not None:
            linear.bias.data.copy_(model.weights[f"{name}.bias"])
    return root


@torch.no_grad()
def saved_by_peft(config: Any) -> tuple[dict[str, Tensor], dict[str, str], dict[str, Tensor]]:
    """An adapter with random numbers: its file's tensors and metadata, and what merging it changes."""
    root = network(MODEL)
    inject_adapter_in_model(config, root)
    generator = torch.Generator().manual_seed(3)
    adapter = {
        name: each
        for name, each in root.named_parameters()
        if "lora_" in name or ".lo" in name or "hada_" in name
    }
    for name, each in adapter.items():
        if "magnitude" not in name:
            each.copy_(torch.randn(each.shape, generator=generator) * 0.2)
        else:
            each.mul_(1.1)
    tensors = {
        f"transformer.{name}": each.clone()
        for name, each in get_peft_model_state_dict(root, adapter_name="default").items()
    }
    entries = {f"transformer.{key}": value for key, value in config.to_dict().items()}
    metadata = {"lora_adapter_metadata": json.dumps(entries, default=list)}
    effect = {}
    for name, layer in root.named_modules():
        if hasattr(layer, "merge"):
            before = [each.double().clone() for each in layer.base_layer.parameters()]
            layer.merge()
            for ending, old, new in zip(
                ("weight", "bias"), before, layer.base_layer.parameters(), strict=False
            ):
                if not torch.equal(old, new.double()):
                    effect[f"{name}.{ending}"] = new.double() - old
    return tensors, metadata, effect


@pytest.mark.filterwarnings("ignore:Adapter 'default'")  # it takes a bias for a half of a matrix
@pytest.mark.parametrize("name", CONFIGS)
def test_the_effect_is_pefts(name: str) -> None:
    tensors, metadata, effect = saved_by_peft(CONFIGS[name])
    assert effect
    updates = normalise(tensors, MODEL.linears, MODEL.vectors, metadata)
    assert relative_error(effects(updates, MODEL), effect) < LIMIT
