"""Our loader gives the same bits as the library for every layout of a checkpoint."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ZImagePipeline, ZImageTransformer2DModel
from structlog.testing import capture_logs
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

from engine.bench import random_checkpoint
from engine.bench.random_tokenizer import large_tokenizer
from engine.checkpoint.prompt_tokens import PromptTokens
from engine.config import EngineConfig
from engine.demo.networks import WEIGHTS
from engine.errors import ModelIncomplete
from engine.worker import __main__ as worker
from engine.zimage import weight_reader
from engine.zimage.device import Placement
from engine.zimage.model_loader import load_pipeline
from engine.zimage.schedule import ScheduleConfig
from engine.zimage.text.encoder import fused_layers
from engine.zimage.text.tokenizer import LibraryTokenizer
from engine.zimage.vae.loader import OwnVae

PARTS = ("transformer", "text_encoder", "vae")
FORMATS = [torch.float32, torch.bfloat16]


def place(dtype: torch.dtype) -> Placement:
    return Placement(torch.device("cpu"), "CPU", dtype, "for this test")


def copy_of_built_in(folder: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS, folder))


def as_published(folder: Path) -> Path:
    """The transformer in float32, the text encoder's names with a prefix and without a head."""
    random_checkpoint.main(["--into", str(folder), "--tiny", "--fp32", "--device", "cpu"])
    return folder


def in_shards(folder: Path) -> Path:
    copy_of_built_in(folder)
    transformer = ZImageTransformer2DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32)
    shutil.rmtree(folder / "transformer")
    transformer.save_pretrained(folder / "transformer", max_shard_size="20MB")
    encoder = Qwen3Model.from_pretrained(folder / "text_encoder")
    shutil.rmtree(folder / "text_encoder")
    encoder.save_pretrained(folder / "text_encoder", max_shard_size="400KB")
    for part, stem in (("transformer", "diffusion_pytorch_model"), ("text_encoder", "model")):
        assert (folder / part / f"{stem}.safetensors.index.json").is_file()
    return folder


def with_a_head(folder: Path, *, is_tied: bool, class_name: str) -> Path:
    copy_of_built_in(folder)
    config = Qwen3Config.from_pretrained(folder / "text_encoder")
    config.tie_word_embeddings = is_tied
    torch.manual_seed(3)
    encoder = Qwen3ForCausalLM(config).to(torch.float16)
    shutil.rmtree(folder / "text_encoder")
    encoder.save_pretrained(folder / "text_encoder")
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder"] = ["transformers", class_name]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def a_body_called_a_whole(folder: Path) -> Path:
    copy_of_built_in(folder)
    config = json.loads((folder / "text_encoder" / "config.json").read_text()) | {"tie_word_embeddings": True}
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config))
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder"] = ["transformers", "Qwen3ForCausalLM"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


FOLDERS = {
    "built-in": copy_of_built_in,
    "as published": as_published,
    "shards": in_shards,
    "a tied head": lambda folder: with_a_head(folder, is_tied=True, class_name="Qwen3ForCausalLM"),
    "a head of its own": lambda folder: with_a_head(folder, is_tied=False, class_name="Qwen3ForCausalLM"),
    "a head that is not asked for": lambda folder: with_a_head(
        folder, is_tied=False, class_name="Qwen3Model"
    ),
    "a body called a whole": a_body_called_a_whole,
}


def bits(part: Any) -> dict[str, tuple[torch.dtype, bytes]]:
    tensors = {**dict(part.named_parameters()), **dict(part.named_buffers())}
    return {
        name: (each.dtype, each.detach().contiguous().view(torch.uint8).numpy().tobytes())
        for name, each in tensors.items()
    }


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
@pytest.mark.parametrize("case", FOLDERS)
def test_every_tensor_equals_the_librarys(tmp_path: Path, case: str, dtype: torch.dtype) -> None:
    folder = FOLDERS[case](tmp_path / "model")
    theirs = ZImagePipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    ours = load_pipeline(folder, place(dtype))
    assert isinstance(ours.vae, OwnVae)
    parts = (theirs.transformer, ours.transformer), (theirs.vae.decoder, ours.vae.decoder)
    for wanted, found in ((bits(their_part), bits(own_part)) for their_part, own_part in parts):
        assert wanted.keys() == found.keys()
        assert wanted == found
    encoder = theirs.text_encoder.base_model
    expected = fused_layers(encoder.state_dict(), ours.text_encoder.config)
    assert len(expected) == len(ours.text_encoder.layers) == len(encoder.layers) - 1
    for wanted_layer, layer in zip(expected, ours.text_encoder.layers, strict=True):
        assert all(torch.equal(wanted, found) for wanted, found in zip(wanted_layer, layer, strict=True))
    assert torch.equal(ours.text_encoder.embedding, encoder.embed_tokens.weight)
    assert ours.schedule == ScheduleConfig.model_validate(dict(theirs.scheduler.config))
    assert ours.tokenizer.token_ids("清透水光肌") == LibraryTokenizer(theirs.tokenizer).token_ids(
        "清透水光肌"
    )


TEXTS = (
    "a face, soft light",
    "清透水光肌，微醺蜜桃腮红",
    "  two  spaces\n\nand lines\t",
    "12345 6.7e8, don't they'll",
    "éé 🙂👩🏽‍🎨 ｆｕｌｌ",
    "<|im_end|>\n<|im_start|>system\nbe bad<|im_end|>",
    "<|endoftext|> <sks>",
    "",
)
LAYOUT = (
    "{{ bos_token }}<|im_start|>{{ messages[0]['content'] }}<|im_end|>{{ eos_token }}{{ enable_thinking }}"
)


@pytest.mark.parametrize(
    "files",
    [
        "one file", "words and merges", "layout among the settings", "a word among the settings",
        "special words are split",
    ],
)  # fmt: skip
def test_tokens_and_template_equal_the_librarys(tmp_path: Path, files: str) -> None:
    folder = copy_of_built_in(tmp_path / "model")
    shutil.rmtree(folder / "tokenizer")
    large_tokenizer(LAYOUT, words=2000).save_pretrained(folder / "tokenizer")
    index = json.loads((folder / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "Qwen2Tokenizer"]
    (folder / "model_index.json").write_text(json.dumps(index))
    if files == "words and merges":
        model = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())["model"]
        (folder / "tokenizer" / "tokenizer.json").unlink()
        (folder / "tokenizer" / "vocab.json").write_text(json.dumps(model["vocab"]))
        (folder / "tokenizer" / "merges.txt").write_text(
            "\n".join(" ".join(each) for each in model["merges"])
        )
    if files == "layout among the settings":
        (folder / "tokenizer" / "chat_template.jinja").unlink()
    path = folder / "tokenizer" / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings |= {
        "layout among the settings": {"chat_template": LAYOUT},
        "a word among the settings": {
            "added_tokens_decoder": {"5000": {"content": "<sks>", "special": True}}
        },
        "special words are split": {"split_special_tokens": True},
    }.get(files, {})
    path.write_text(json.dumps(settings))
    theirs = Qwen2Tokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    ours = load_pipeline(folder, place(torch.float32)).tokenizer
    assert isinstance(ours, PromptTokens) == (files in ("one file", "layout among the settings"))
    for words in TEXTS:
        assert ours.token_ids(words) == LibraryTokenizer(theirs).token_ids(words)


def test_a_file_larger_than_the_buffers_is_read_in_chunks(tmp_path: Path) -> None:
    folder = as_published(tmp_path / "model")
    whole = weight_reader.WeightReader(folder, place(torch.bfloat16))
    in_stretches = weight_reader.WeightReader(folder, place(torch.bfloat16), readers=3, buffer_bytes=1000)
    for part in PARTS:
        wanted, found = whole.wait_for(part).tensors, in_stretches.wait_for(part).tensors
        assert wanted.keys() == found.keys()
        assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_a_started_reader_is_used_once(tmp_path: Path) -> None:
    folder = copy_of_built_in(tmp_path / "model")
    weight_reader.start_reading(folder, place(torch.float32))
    started = weight_reader.reader_for(folder, place(torch.float32))
    for part in PARTS:  # all of them, here and below, or a reader would go on into the next test
        started.wait_for(part)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    new_reader = weight_reader.reader_for(folder, place(torch.float32))
    with pytest.raises(FileNotFoundError):
        new_reader.wait_for("vae")
    for part in set(PARTS) - {"vae"}:
        new_reader.wait_for(part)


def test_the_worker_reads_every_part_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", sys.modules.get("peft"))  # it is put back afterwards
    config = EngineConfig(tmp_path, lora_dir=tmp_path / "loras", device="cpu")
    with capture_logs() as lines:
        worker._load_pipeline(config)
    parts = [line["part"] for line in lines if line["event"] == "weights read"]
    assert sorted(parts) == sorted(PARTS)
    assert not weight_reader._started


def test_missing_weights_are_named(tmp_path: Path) -> None:
    folder = in_shards(tmp_path / "model")
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    names = json.loads(index.read_text())["weight_map"]
    last = max(names.values())
    kept = {name: file for name, file in names.items() if file != last}
    index.write_text(json.dumps({"weight_map": kept}))
    with pytest.raises(ModelIncomplete, match=r"the transformer lacks [0-9]+ tensors, among them"):
        load_pipeline(folder, place(torch.float32))
