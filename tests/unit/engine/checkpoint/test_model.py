"""The model folder: complete, or its missing parts are named; and the sizes a model draws."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import format_error
from engine.checkpoint import model as model_module
from engine.checkpoint.contents import linear_shapes
from engine.checkpoint.model import built_in_lora_folder, find_model, read_model
from engine.config import EngineConfig
from engine.errors import (
    ModelIncomplete,
    ModelMissing,
    ModelNeedsGuidance,
    ModelNotDownloaded,
)
from tests.unit.engine.checkpoint.models import TURBO
from tests.unit.engine.folders import LINEARS, write_model

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def make_config(tmp_path: Path, model: str, **changes: str) -> EngineConfig:
    return EngineConfig(tmp_path / "data", tmp_path / "loras", model=model, **changes)  # type: ignore[arg-type]


def missing_of(folder: Path) -> tuple[str, ...]:
    with pytest.raises(ModelIncomplete) as caught:
        read_model(folder)
    missing = caught.value.facts["missing"]
    assert isinstance(missing, tuple)
    return missing


def test_a_whole_folder_is_a_model_with_the_limits_of_turbo(tmp_path: Path, folder: Path) -> None:
    found = find_model(make_config(tmp_path, str(folder)))
    assert found == replace(TURBO, name="model", folder=folder)


def test_a_model_has_its_own_name_and_limits(tmp_path: Path) -> None:
    limits = {
        "name": "tiny",
        "native_width_px": 64,
        "native_height_px": 96,
        "min_side_px": 32,
        "max_side_px": 128,
    }
    found = read_model(write_model(tmp_path / "m", limits=limits | {"max_area_px": 128 * 128}))
    assert (found.name, found.native_width_px, found.max_side_px) == ("tiny", 64, 128)
    assert found.allows(32, 128)


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"native_width_px": 100}, "native_width_px"),
        ({"max_side_px": "1536"}, "max_side_px"),
        ({"max_sides_px": 1536}, "max_sides_px"),
        ({"min_side_px": 1024}, "native size"),
        ({"max_area_px": 1024}, "native size"),
    ],
)
def test_wrong_limits_are_named(tmp_path: Path, limits: dict[str, object], word: str) -> None:
    (flaw,) = missing_of(write_model(tmp_path / "m", limits=limits))
    assert word in flaw


@pytest.mark.parametrize(
    "part",
    [
        "model_index.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model-00002-of-00002.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer_config.json",
        "tokenizer/tokenizer.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_each_missing_file_is_named(folder: Path, part: str) -> None:
    (folder / part).unlink()
    assert missing_of(folder) == (part,)


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert len(missing_of(tmp_path / "empty")) == 9


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_part_of_the_wrong_class_is_named(folder: Path, part: str) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index[part] = [None, None] if part == "tokenizer" else ["diffusers", "UNet2DConditionModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (flaw,) = missing_of(folder)
    assert part in flaw


def test_another_pipeline_is_refused_by_name(folder: Path) -> None:
    (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    assert missing_of(folder) == ("model_index.json (a ZImagePipeline, not FluxPipeline)",)


def test_a_truncated_shard_is_named_with_its_flaw(folder: Path) -> None:
    path = folder / "text_encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert missing_of(folder) == ("text_encoder/model.safetensors (The file ends before its last tensor.)",)


@pytest.mark.parametrize("name", ["../../secret.safetensors", "/etc/x.safetensors", "weights.bin"])
def test_an_index_that_leads_elsewhere_is_refused(folder: Path, name: str) -> None:
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    (flaw,) = missing_of(folder)
    assert flaw.startswith("transformer/diffusion_pytorch_model.safetensors.index.json")


def test_a_tokenizer_without_chat_template_is_incomplete(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer_config.json").write_text("{}")
    assert missing_of(folder) == ("tokenizer/chat_template.jinja",)
    (folder / "tokenizer" / "chat_template.jinja").write_text("x")
    read_model(folder)


def test_the_transformers_linears_are_read_from_all_its_shards(folder: Path) -> None:
    assert linear_shapes(folder) == LINEARS


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="not a folder"):
        find_model(make_config(tmp_path, str(tmp_path / "nowhere")))


@pytest.mark.parametrize("revision", ["", "main", "0123abc", REVISION.upper()])
def test_a_hub_name_needs_a_pinned_commit(tmp_path: Path, revision: str) -> None:
    with pytest.raises(ModelMissing, match="40 digits"):
        find_model(make_config(tmp_path, "Tongyi-MAI/Z-Image-Turbo", revision=revision))


def test_a_hub_model_that_was_fetched_before_needs_no_network(tmp_path: Path) -> None:
    place = tmp_path / "data" / "models" / "Tongyi-MAI--Z-Image-Turbo" / REVISION
    write_model(place)
    found = find_model(make_config(tmp_path, "Tongyi-MAI/Z-Image-Turbo", revision=REVISION))
    assert (found.name, found.folder) == ("Tongyi-MAI/Z-Image-Turbo", place)


def test_a_hub_model_in_the_machines_cache_is_used_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub as hub

    asked: list[dict[str, object]] = []
    cached = write_model(tmp_path / "cache")

    def snapshot_download(name: str, **options: object) -> str:
        asked.append(options)
        return str(cached)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    found = find_model(make_config(tmp_path, "Tongyi-MAI/Z-Image-Turbo", revision=REVISION))
    assert (found.name, found.folder) == ("Tongyi-MAI/Z-Image-Turbo", cached)
    assert asked == [
        {"revision": REVISION, "allow_patterns": model_module.FILES_OF_A_MODEL, "local_files_only": True}
    ]


def not_in_the_cache(**options: object) -> None:
    """As the library words it."""
    import huggingface_hub as hub

    if options.get("local_files_only"):
        raise hub.errors.LocalEntryNotFoundError("not cached")


def test_a_model_that_is_not_on_disk_is_downloaded_only_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub as hub

    def snapshot_download(name: str, **options: object) -> str:
        not_in_the_cache(**options)
        pytest.fail("it downloads")

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    with pytest.raises(ModelNotDownloaded, match="owner/model"):
        find_model(make_config(tmp_path, "owner/model", revision=REVISION), download=False)
    modelscope = make_config(tmp_path, "owner/model", revision=REVISION, source="modelscope")
    with pytest.raises(ModelNotDownloaded):
        find_model(modelscope, download=False)


def test_the_built_in_model_is_complete_and_its_loras_are_beside_it(tmp_path: Path) -> None:
    found = find_model(make_config(tmp_path, "built-in"))
    assert (found.native_width_px, found.native_height_px) == (128, 192)
    assert {file.stem for file in built_in_lora_folder(found).glob("*.safetensors")} == {
        "sugar", "anime", "realistic"
    }  # fmt: skip


def test_the_loras_of_any_other_model_are_in_its_folder(folder: Path) -> None:
    assert built_in_lora_folder(read_model(folder)) == folder / "loras"


def test_a_missing_built_in_model_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "BUILT_IN_WEIGHTS", tmp_path / "none")
    with pytest.raises(ModelMissing, match="is not a folder"):
        find_model(make_config(tmp_path, "built-in"))


def test_only_the_built_in_model_is_built_in(tmp_path: Path, folder: Path) -> None:
    assert find_model(make_config(tmp_path, "built-in")).is_built_in
    assert not find_model(make_config(tmp_path, str(folder))).is_built_in


def with_shift(folder: Path, shift: float) -> Path:
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"shift": shift}))
    return folder


def test_a_base_model_given_as_turbo_is_refused_with_the_reason(folder: Path) -> None:
    with pytest.raises(ModelNeedsGuidance) as caught:
        read_model(with_shift(folder, 6.0))
    for locale, word in (("en", "guidance"), ("zh-CN", "引导")):
        sentence = format_error(caught.value, locale)
        assert word in sentence
        assert str(folder) in sentence
        assert "6" in sentence


@pytest.mark.parametrize("shift", [2.0, 3.0])
def test_turbo_and_the_built_in_model_are_not_taken_for_a_base_model(folder: Path, shift: float) -> None:
    assert read_model(with_shift(folder, shift)).steps == 8


def test_a_distillation_of_the_base_model_names_its_steps_and_its_shift(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "few", limits={"steps": 4, "shift": 7.0})
    model = read_model(with_shift(folder, 6.0))
    assert (model.steps, model.shift) == (4, 7.0)


@pytest.mark.parametrize(
    "limits", [{"steps": 0}, {"steps": 51}, {"steps": 2.5}, {"shift": 0}, {"shift": "3"}]
)
def test_a_wrong_schedule_is_named(tmp_path: Path, limits: dict[str, object]) -> None:
    missing = missing_of(write_model(tmp_path / "m", limits=limits))
    assert "sugarbot.json" in missing[0]
    assert next(iter(limits)) in missing[0]
