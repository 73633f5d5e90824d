"""The metadata state one scale for each module, or the file is refused; hostile text costs little."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LoraRejected, LoraScaleRefused
from engine.shelf.metadata import ADAPTER, MAX_ADAPTER, AdapterScale, Proposals, adapter_scale, proposals_of

TO_Q = "layers.0.attention.to_q"


def scale_of(path: str = TO_Q, rank: int | None = 8, /, **config: object) -> float | None:
    """The scale of a module by peft's configuration."""
    stated = adapter_scale({ADAPTER: json.dumps({f"transformer.{key}": own for key, own in config.items()})})
    return stated.of((path,), rank) if stated else None


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"r": 8, "lora_alpha": 4}, 0.5),
        ({"r": 8, "lora_alpha": 4.4}, 0.55),
        ({"lora_alpha": 4}, 0.5),
        ({"r": 8, "lora_alpha": 4, "use_rslora": True}, 4 / 8**0.5),
        ({"r": 16, "lora_alpha": 4, "rank_pattern": {"to_q": 8}}, 0.5),
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": {"to_q": 16}}, 2),
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": {TO_Q: 16}}, 2),
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": {"o_q": 16}}, 0.5),  # no whole name
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": {"to_q": 16, TO_Q: 1}}, 2),  # the first counts
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": {TO_Q: 1, "to_q": 16}}, 0.125),
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": {"to_q": 0}}, 0),
        ({"r": 8, "alpha": 2, "peft_type": "LOHA"}, 0.25),
        ({"r": 8}, None),
        ({}, None),
    ],
)
def test_a_module_has_the_scale_that_peft_gives_it(config: dict[str, object], scale: float | None) -> None:
    assert scale_of(**config) == (scale if scale is None else pytest.approx(scale))


def test_only_the_transformers_entries_count() -> None:
    entries = {"text_encoder.r": 8, "text_encoder.lora_alpha": 1, "transformer.lora_alpha": 16}
    stated = adapter_scale({ADAPTER: json.dumps(entries)})
    assert stated is not None
    assert stated.of((TO_Q,), 8) == 2
    assert adapter_scale({"ss_network_alpha": "4", "format": "pt"}) is None


def test_a_whole_factor_of_lokr_has_the_stated_rank() -> None:
    assert scale_of(TO_Q, None, r=8, alpha=2, peft_type="LOKR") == 0.25


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"r": 16, "lora_alpha": 4}, "say rank 16 for layers.0.attention.to_q, whose matrices have rank 8"),
        ({"r": "8", "lora_alpha": 4}, "wrong r"),
        ({"r": 0, "lora_alpha": 4}, "wrong r"),
        ({"r": True, "lora_alpha": 4}, "wrong r"),
        ({"r": 8, "lora_alpha": 4, "rank_pattern": {"to_q": -1}}, "wrong rank_pattern.to_q"),
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": ["to_q"]}, "wrong alpha_pattern"),
        ({"r": 8, "lora_alpha": 4, "alpha_pattern": {"to_(q|k)": 1}}, "no module's name: to_(q|k)"),
        ({"r": 8, "lora_alpha": 4, "init_lora_weights": "pissa_niter_4"}, "made with pissa_niter_4"),
        ({"r": 8, "lora_alpha": 4, "init_lora_weights": "OLoRA"}, "made with OLoRA"),
        ({"r": 8, "lora_alpha": 4, "peft_type": "VERA"}, "of the kind VERA"),
        ({"r": 8, "use_rslora": True}, "no alpha"),
    ],
)
def test_a_scale_that_is_not_known_is_refused(config: dict[str, object], said: str) -> None:
    with pytest.raises(LoraScaleRefused) as caught:
        scale_of(**config)
    assert said in str(caught.value)


@pytest.mark.parametrize("initial", [True, False, "gaussian", "eva", "orthogonal", None])
def test_initial_values_that_leave_the_model_alone_are_accepted(initial: object) -> None:
    assert scale_of(r=8, lora_alpha=4, init_lora_weights=initial) == 0.5


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "nan", '{"r": NaN, "lora_alpha": 1}', "[" * 50_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(LoraScaleRefused):
        adapter_scale({ADAPTER: text})


def test_long_metadata_are_refused_and_the_longest_cost_little() -> None:
    with pytest.raises(LoraScaleRefused):
        adapter_scale({ADAPTER: " " * MAX_ADAPTER + "{}"})
    patterns = {f"m{number}.to_q": number for number in range(10_000)}
    text = json.dumps({"r": 8, "lora_alpha": 4, "alpha_pattern": patterns})
    assert len(text) <= MAX_ADAPTER
    started_s = time.process_time()
    stated = adapter_scale({ADAPTER: text})
    assert isinstance(stated, AdapterScale)
    for number in range(1000):
        assert stated.of((f"layers.m{number}.to_q",), 8) == number / 8
    assert time.process_time() - started_s < 2  # 0.03 s; a search of all patterns would take 10


@given(
    st.dictionaries(
        st.sampled_from(
            ["r", "lora_alpha", "alpha", "rank_pattern", "alpha_pattern", "use_rslora", "peft_type"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3),
            max_leaves=4,
        ),
    )
)
def test_any_configuration_is_understood_or_refused(config: dict[str, object]) -> None:
    try:
        stated = adapter_scale({ADAPTER: json.dumps(config)})
        if stated:
            stated.of((TO_Q,), 8)
    except LoraRejected:
        pass


def test_a_file_proposes_title_trigger_and_base_as_printable_text() -> None:
    metadata = {
        "modelspec.title": "  Sugar \x1b[2Jface ",
        "ss_output_name": "sugar",
        "trigger_word": "x" * 5000,
        "ss_base_model_version": "None",
        "modelspec.architecture": "z-image/lora",
    }
    assert proposals_of(metadata) == Proposals(r"Sugar \x1b[2Jface", "x" * 200, "z-image/lora")
    assert proposals_of({}) == Proposals()
