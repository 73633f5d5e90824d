"""A checkpoint of random weights is complete, holds the pipeline's weights, and draws."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen2Tokenizer

from engine.bench import random_checkpoint
from engine.bench.random_model import random_pipeline
from engine.bench.random_tokenizer import large_tokenizer
from engine.checkpoint.contents import linear_shapes, missing_parts
from engine.config import EngineConfig
from engine.reporting import JobReporter
from engine.request import Drawn, Event, Finished, RenderRequest
from engine.worker.failures import describe_failure
from engine.zimage.pipeline import Pipeline


@pytest.mark.parametrize("is_fp32", [False, True], ids=["bf16", "fp32"])
def test_a_checkpoint_holds_the_pipelines_weights(tmp_path: Path, is_fp32: bool) -> None:
    folder = tmp_path / "model"
    random_checkpoint.main(
        ["--into", str(folder), "--tiny", "--device", "cpu", *(["--fp32"] if is_fp32 else [])]
    )
    assert missing_parts(folder) == []
    made = random_pipeline(torch.device("cpu"), torch.bfloat16, is_tiny=True)
    stored = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    assert {each.dtype for each in stored.values()} == {torch.float32 if is_fp32 else torch.bfloat16}
    for name, weight in made.transformer.state_dict().items():
        assert torch.isfinite(stored[name]).all()
        assert name.endswith("pad_token") or torch.equal(stored[name].to(weight.dtype), weight)
    assert set(linear_shapes(folder)) >= {"layers.0.attention.to_q", "cap_embedder.1"}
    text = load_file(folder / "text_encoder" / "model.safetensors")
    assert {name.removeprefix("model.") for name in text} == set(made.text_encoder.state_dict())
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"]


def test_a_tokenizer_of_any_size_is_read_back(tmp_path: Path) -> None:
    made = large_tokenizer("{{ messages[0]['content'] }}<|im_end|>", words=3000)
    made.save_pretrained(tmp_path)
    read = Qwen2Tokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert len(read.get_vocab()) >= 3000
    text = "<|im_start|>a face, 清透<|im_end|>"
    assert read.decode(read(text).input_ids) == text
    assert len(read("face").input_ids) < 4  # its pieces are put together
    assert read.chat_template == made.chat_template


def test_a_pipeline_draws_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    random_checkpoint.main(["--into", str(folder), "--tiny", "--device", "cpu"])
    torch.set_num_threads(1)
    pipeline = Pipeline.load(
        EngineConfig(tmp_path, lora_dir=tmp_path / "loras", model=str(folder), device="cpu")
    )
    events: list[Event] = []
    request = RenderRequest("job-1", 1, "a face", width_px=256, height_px=256, seed=1, steps=2)
    reporter = JobReporter(request, events.append, describe_failure)
    reporter.report_end(pipeline.draw(request, reporter, lambda: False))
    reporter.wait()
    pipeline.close()
    assert [type(event) for event in events[-2:]] == [Drawn, Finished]
