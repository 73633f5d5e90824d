"""Names in every layout mean the same modules, and no others."""

import pytest

from engine.shelf.layouts import Part, TensorName, describe_layout, module_names, parse_tensor_name

BLOCKS = ("layers.0", "layers.11", "noise_refiner.1", "context_refiner.0")
PARTS = (
    *("attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0"),
    *("feed_forward.w1", "feed_forward.w2", "feed_forward.w3"),
)
MODULES = (
    *(f"{block}.{part}" for block in BLOCKS for part in PARTS),
    *("layers.0.adaLN_modulation.0", "cap_embedder.1", "t_embedder.mlp.0"),
    *("all_x_embedder.2-1", "all_final_layer.2-1.linear", "all_final_layer.2-1.adaLN_modulation.1"),
)


@pytest.mark.parametrize(
    ("ending", "part"),
    [
        (".lora_A.weight", Part.DOWN),
        (".lora_B.weight", Part.UP),
        (".lora_A.default.weight", Part.DOWN),
        (".lora_B.default.weight", Part.UP),
        (".lora_down.weight", Part.DOWN),
        (".lora_up.weight", Part.UP),
        (".lora.down.weight", Part.DOWN),
        (".lora.up.weight", Part.UP),
        (".lora_A", Part.DOWN),
        (".lora_B.my-face.v1.weight", Part.UP),
        (".lora_linear_layer.up.weight", Part.UP),
        ("_lora.down.weight", Part.DOWN),
        (".alpha", Part.ALPHA),
        (".hada_w2_b", Part.HADA_RIGHT_DOWN),
        (".lokr_w1", Part.LOKR_LEFT),
        (".lokr_w2_a", Part.LOKR_RIGHT_UP),
        (".dora_scale", Part.MAGNITUDE),
        (".magnitude", Part.MAGNITUDE),
        (".lora_magnitude_vector.default.weight", Part.MAGNITUDE),
        (".lora_B.bias", Part.UP_BIAS),
        (".diff", Part.DIFF),
        (".w_norm", Part.DIFF),
        (".diff_b", Part.DIFF_BIAS),
    ],
)
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "transformer.",
        "diffusion_model.",
        "model.diffusion_model.",
        "base_model.model.",
        "base_model.model.transformer.",
        "transformer.diffusion_model.",
        "pipe.dit.",
        "lora_unet_",
        "lora_unet__",
        "lycoris_",
        "lora_transformer_",
    ],
)
def test_prefix_and_ending_are_removed(prefix: str, ending: str, part: Part) -> None:
    parsed = parse_tensor_name(f"{prefix}layers.0.attention.to_q{ending}")
    assert parsed == TensorName("layers.0.attention.to_q", part)


@pytest.mark.parametrize(
    "name",
    [
        "layers.0.attention.to_q.lokr_t2",
        "layers.0.attention.to_q.hada_t1",
        "layers.0.attention.to_q.lora_A.bias",
        "layers.0.attention.to_q.lora_mid.weight",
        "layers.0.attention.to_q.oft_blocks",
        f"{'x' * 600}.lora_A.weight",
        "layers.0.attention.to_q.weight",
        "lora_A.weight",
        ".alpha",
        "",
    ],
)
def test_names_of_other_kinds_of_layers_are_not_parsed(name: str) -> None:
    parsed = parse_tensor_name(name)
    assert parsed is None or parsed.path not in module_names(MODULES)


def test_every_module_is_known_by_its_own_name_and_by_kohyas() -> None:
    known = module_names(MODULES)
    for module in MODULES:
        assert known[module] == (module,)
        assert known[module.replace(".", "_")] == (module,)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("separator", [".", "_"])
def test_other_programs_names_mean_ours(block: str, separator: str) -> None:
    def modules_of(path: str) -> tuple[str, ...]:
        return module_names(MODULES)[path.replace(".", separator)]

    attention = f"{block}.attention"
    assert modules_of(f"{attention}.qkv") == (f"{attention}.to_q", f"{attention}.to_k", f"{attention}.to_v")
    assert modules_of(f"{attention}.out") == (f"{attention}.to_out.0",)
    assert modules_of("x_embedder") == ("all_x_embedder.2-1",)
    assert modules_of("final_layer.linear") == ("all_final_layer.2-1.linear",)
    assert modules_of("final_layer.adaLN_modulation.1") == ("all_final_layer.2-1.adaLN_modulation.1",)


def test_a_fused_name_is_unknown_where_the_model_lacks_one_of_the_three() -> None:
    assert "layers.0.attention.qkv" not in module_names(
        ["layers.0.attention.to_q", "layers.0.attention.to_k"]
    )


def test_another_models_modules_are_unknown() -> None:
    known = module_names(MODULES)
    for path in ("layers.99.attention.to_q", "double_blocks.0.img_attn.qkv", "te_text_model_layers_0", "0"):
        assert path not in known


def test_a_layout_is_described_by_what_its_names_have_in_common() -> None:
    names = [
        f"transformer.layers.{block}.attention.to_q.lora_{side}.weight" for block in "01" for side in "AB"
    ]
    described = describe_layout([*names, "layers.0.attention.to_q.alpha", "no layout"])
    assert described == ("transformer.….lora_A.weight", "transformer.….lora_B.weight", "….alpha")
