"""A folder is loaded from safetensors alone and without output, or refused."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs

from engine.config import EngineConfig, WeightLocation
from engine.cuda.kernel_fallback import fallback_reason
from engine.demo.networks import WEIGHTS
from engine.errors import ModelError, ModelIncomplete, ModelMissing, ModelTooLarge
from engine.zimage import pipeline as pipeline_module
from engine.zimage import weight_reader
from engine.zimage.device import choose_placement
from engine.zimage.model_loader import load_pipeline, weights_bytes
from engine.zimage.pipeline import Pipeline


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkpoint that a test may break."""
    return Path(shutil.copytree(WEIGHTS, tmp_path / "copy"))


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs():  # our own lines are no noise
        load_pipeline(WEIGHTS, choose_placement("cpu"))
    assert capfd.readouterr() == ("", "")


def test_a_loaded_pipeline_has_no_gradients() -> None:
    parts = load_pipeline(WEIGHTS, choose_placement("cpu"))
    assert not parts.transformer.training
    assert not parts.vae.decoder.training
    encoder = [parts.text_encoder.embedding, *(each for layer in parts.text_encoder.layers for each in layer)]
    tensors = [*parts.transformer.parameters(), *parts.vae.decoder.parameters(), *encoder]
    assert not any(tensor.requires_grad for tensor in tensors)
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert weights_bytes(parts) == sum(tensor.nbytes for tensor in tensors)


def test_a_cpu_gets_float32_with_a_reason() -> None:
    place = choose_placement("cpu")
    assert (place.device, place.dtype) == (torch.device("cpu"), torch.float32)
    assert "required by the setting" in place.dtype_reason
    assert place.name.startswith("CPU, ")


def test_a_card_without_memory_for_the_weights_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def empty(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nSee the documentation.")

    monkeypatch.setattr(weight_reader.torch, "empty", empty)
    with pytest.raises(ModelTooLarge) as caught:
        load_pipeline(WEIGHTS, choose_placement("cpu"))
    assert str(caught.value).endswith("CUDA out of memory. Tried to allocate 9 GiB.")
    assert caught.value.facts["device"] == "cpu"


@pytest.mark.parametrize("fault", ["CUDA out of memory.", "Triton Error [CUDA]: out of memory"])
def test_a_card_without_memory_for_the_fused_weights_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str
) -> None:
    def full(*_: object, **__: object) -> None:
        if fault.startswith("Triton"):
            fallback_reason(RuntimeError(fault))
        raise torch.OutOfMemoryError(f"{fault}\nSee the documentation.")

    monkeypatch.setattr(pipeline_module, "Forward", full)
    with pytest.raises(ModelTooLarge) as caught:
        Pipeline.load(EngineConfig(tmp_path, lora_dir=tmp_path, device="cpu"))
    assert str(caught.value).endswith(fault)


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "cuda:7"])
def test_a_missing_card_is_reported(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError) as caught:
        choose_placement(wanted)
    assert caught.value.facts == {"device": wanted}
    assert choose_placement("auto").device.type == "cpu"


@pytest.mark.parametrize(
    ("has_bfloat16", "dtype"), [(True, torch.bfloat16), (False, torch.float32)], ids=["new", "old"]
)
def test_a_card_gets_bfloat16_if_supported_and_never_float16(
    has_bfloat16: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "is_available": True,
        "device_count": 2,
        "set_device": None,
        "get_device_name": "NVIDIA Test",
        "get_device_capability": (8, 6),
        "is_bf16_supported": has_bfloat16,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    place = choose_placement("cuda:1")
    assert (str(place.device), place.name, place.dtype) == ("cuda:1", "NVIDIA Test", dtype)
    assert "8.6" in place.dtype_reason


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def change(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        assert old in content
        (folder / name).write_bytes(content.replace(old, new))

    return change


BREAKS = {
    "no transformer weights": drop("transformer/diffusion_pytorch_model.safetensors"),
    "no text encoder weights": drop("text_encoder/model.safetensors"),
    "no tokenizer": drop("tokenizer/tokenizer.json"),
    "no vae config": drop("vae/config.json"),
    "garbled index": write("model_index.json", b"{"),
    "truncated weights": write("vae/diffusion_pytorch_model.safetensors", b"\x10"),
    "another transformer": write("transformer/config.json", b'{"dim": 48, "n_layers": 1}'),
    "no heads": change("transformer/config.json", b'"n_heads": 4', b'"n_heads": 0'),
    "an endless transformer": change("transformer/config.json", b'"n_layers": 6', b'"n_layers": 1000000000'),
    "no groups": change("vae/config.json", b'"norm_num_groups": 16', b'"norm_num_groups": 0'),
    "other norms": change("transformer/config.json", b'"norm_eps": 1e-05', b'"norm_eps": 1e-06'),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_broken_checkpoint_is_reported_as_incomplete(copy: Path, case: str) -> None:
    BREAKS[case](copy)
    with pytest.raises(ModelIncomplete) as caught:
        load_pipeline(copy, choose_placement("cpu"))
    assert caught.value.facts["folder"] == str(copy)
    assert re.search(r"cannot be loaded\. \w+: ", str(caught.value))


@pytest.mark.parametrize("location", WeightLocation)
def test_an_encoder_without_a_matrix_is_incomplete_wherever_it_lives(
    copy: Path, location: WeightLocation
) -> None:
    path = copy / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    del tensors["layers.0.mlp.down_proj.weight"]
    save_file(tensors, path)
    with pytest.raises(ModelIncomplete):
        load_pipeline(copy, choose_placement("cpu"), encoder=location)


def test_pickled_weights_are_never_opened(copy: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.mkdir, (tmp_path / "ran",)

    for part, name in (
        ("transformer", "diffusion_pytorch_model.bin"),
        ("vae", "diffusion_pytorch_model.bin"),
        ("text_encoder", "pytorch_model.bin"),
    ):
        for weights in (copy / part).glob("*.safetensors"):
            weights.unlink()
        torch.save(Bomb(), copy / part / name)
        with pytest.raises(ModelIncomplete):
            load_pipeline(copy, choose_placement("cpu"))
    assert not (tmp_path / "ran").exists()


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        Pipeline.load(EngineConfig(tmp_path, lora_dir=tmp_path, model=str(tmp_path / "gone")))


def test_a_worker_loads_its_model_without_diffusers_and_transformers() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from engine.config import EngineConfig\n"
        "from engine.worker.__main__ import _load_pipeline\n"
        "_load_pipeline(EngineConfig(Path('var'), Path('var/loras'), device='cpu'))\n"
        "print(sorted({'diffusers', 'transformers'} & sys.modules.keys()))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
