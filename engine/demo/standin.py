"""Writes a tiny Z-Image checkpoint with random weights, so that everything runs where no model is.

``python -m engine.demo.standin FOLDER`` makes a folder in diffusers' layout, made of the real classes, with
three LoRAs beside it. Its pictures are coloured noise that answers to seed, prompt and LoRA. The weights are
seeded: every machine with the same library versions writes the same. A folder that is already there is left
as it is; an interrupted run leaves nothing behind under the final name.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from engine.zimage.quiet import hush

WEIGHTS_SEED = 20260122  # any fixed number; it only makes every stand-in the same
TEXT_WIDTH = 64  # hidden size of the text encoder, and so the caption width of the transformer
LORA_RANK = 4
LORA_STRENGTH = 0.6  # so that a random LoRA visibly changes a random model's picture

LIMITS = {
    "name": "stand-in",
    "native_width_px": 128,
    "native_height_px": 192,
    "min_side_px": 64,
    "max_side_px": 256,
    "max_area_px": 256 * 256,
}

# Qwen3's chat layout: turns between <|im_start|> and <|im_end|>, an empty thought where thinking is off.
CHAT_TEMPLATE = (
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)

SHELF = """\
[sugar]
title.en = "Sugar face"
title.zh-CN = "Sugar 面部"
trigger = "Sugar面部"
weight = 0.8

[anime]
title.en = "Anime"
title.zh-CN = "动漫"
trigger = ""
weight = 0.8

[realistic]
title.en = "Realistic"
title.zh-CN = "写实"
trigger = ""
weight = 0.8
"""


def write_standin(folder: Path) -> None:
    """Make ``folder`` a complete checkpoint, at once or not at all.

    Args:
        folder: Where it shall lie; its parent is made. Nothing happens where a model already is.

    Raises:
        OSError: The place cannot be written, or something else lies there.
    """
    if (folder / "model_index.json").is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(draft)
        draft.chmod(0o755)
        draft.rename(folder)
    except OSError:
        if not (folder / "model_index.json").is_file():  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(folder: Path) -> None:
    hush()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(WEIGHTS_SEED)
        tokenizer = _tokenizer()
        transformer = _transformer()
        ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0),
            vae=_vae(),
            text_encoder=_text_encoder(vocabulary=len(tokenizer)),
            tokenizer=tokenizer,
            transformer=transformer,
        ).save_pretrained(folder, safe_serialization=True)
        (folder / "loras").mkdir()
        for name in ("sugar", "anime", "realistic"):
            save_file(_lora(transformer), folder / "loras" / f"{name}.safetensors")
    (folder / "loras" / "loras.toml").write_text(SHELF, encoding="utf-8")
    (folder / "sugarbot.json").write_text(json.dumps(LIMITS, indent=2) + "\n", encoding="utf-8")


def _tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte of UTF-8: small, and no text in any language is unknown to it."""
    alphabet = sorted(ByteLevel.alphabet())
    bytewise = Tokenizer(BPE(vocab={symbol: number for number, symbol in enumerate(alphabet)}, merges=[]))
    bytewise.pre_tokenizer = ByteLevel(add_prefix_space=False)
    bytewise.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(
        tokenizer_object=bytewise,
        pad_token="<|endoftext|>",  # noqa: S106 - the name of a token of text
        eos_token="<|im_end|>",  # noqa: S106 - likewise
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT_TEMPLATE,
        padding_side="right",
    )


def _text_encoder(vocabulary: int) -> Qwen3Model:
    return Qwen3Model(
        Qwen3Config(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=1024,
            initializer_range=0.2,
        )
    )


def _transformer() -> ZImageTransformer2DModel:
    return ZImageTransformer2DModel(
        dim=96,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=4,
        n_kv_heads=4,
        cap_feat_dim=TEXT_WIDTH,
        axes_dims=[8, 8, 8],  # their sum is the width of one head
        axes_lens=[1024, 64, 64],
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8, 16, 16, 16],
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=4,
        sample_size=256,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _lora(transformer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Random pairs for every linear of attention and feed-forward, in peft's layout."""
    tensors = {}
    for name, module in transformer.named_modules():
        if isinstance(module, torch.nn.Linear) and (".attention." in name or ".feed_forward." in name):
            down = torch.randn(LORA_RANK, module.in_features) / module.in_features**0.5
            up = torch.randn(module.out_features, LORA_RANK) * LORA_STRENGTH
            tensors[f"transformer.{name}.lora_A.weight"] = down
            tensors[f"transformer.{name}.lora_B.weight"] = up
    return tensors


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m engine.demo.standin FOLDER")
    write_standin(Path(sys.argv[1]))
