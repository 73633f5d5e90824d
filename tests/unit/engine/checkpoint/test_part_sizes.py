"""The parts' sizes come from headers alone, whatever format the files have."""

import json
from pathlib import Path

from engine.checkpoint.model import BUILT_IN_WEIGHTS
from engine.checkpoint.part_sizes import Z_IMAGE_TURBO, read_model_sizes


def write(path: Path, tensors: dict[str, tuple[str, list[int], int]]) -> None:
    """Write a safetensors file of zeros; each tensor as (format, shape, bytes)."""
    header, begin = {}, 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + size]}
        begin += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(begin))


def test_the_built_in_model_has_six_blocks_and_three_encoder_layers() -> None:
    sizes = read_model_sizes(BUILT_IN_WEIGHTS)
    assert (sizes.blocks, sizes.attention_layers, sizes.width) == (6, 7, 256)
    # Query, key, value and output are 256 x 256, the feed-forward part three times 256 x 682, in bf16.
    assert sizes.block_matrix_bytes == 2 * (4 * 256**2 + 3 * 256 * 682)
    assert sizes.refiner_matrix_bytes == 2 * sizes.block_matrix_bytes
    assert sizes.noise_matrix_bytes == sizes.block_matrix_bytes
    files = (BUILT_IN_WEIGHTS / part for part in ("transformer", "text_encoder", "vae"))
    on_disk = sum(file.stat().st_size for folder in files for file in folder.glob("*.safetensors"))
    held = sizes.transformer_bytes + sizes.encoder_bytes + sizes.vae_bytes
    assert 0.95 * on_disk < held < on_disk


def test_float32_files_count_as_bfloat16(tmp_path: Path) -> None:
    write(
        tmp_path / "transformer/diffusion_pytorch_model.safetensors",
        {
            "layers.0.attention.to_q.weight": ("F32", [8, 8], 256),
            "layers.0.attention_norm1.weight": ("F32", [8], 32),
            "x_pad_token": ("F32", [1, 8], 32),
        },
    )
    write(
        tmp_path / "text_encoder/model.safetensors",
        {
            "model.embed_tokens.weight": ("F32", [4, 2], 32),
            "model.layers.0.mlp.up_proj.weight": ("F32", [2, 2], 16),
            "model.layers.1.mlp.up_proj.weight": ("F32", [2, 2], 16),
        },
    )
    write(tmp_path / "vae/diffusion_pytorch_model.safetensors", {"decoder.conv_in.weight": ("F32", [4], 16)})
    sizes = read_model_sizes(tmp_path)
    assert (sizes.blocks, sizes.width) == (1, 8)
    assert (sizes.block_bytes, sizes.block_matrix_bytes, sizes.other_bytes) == (144, 128, 16)
    assert (sizes.encoder_bytes, sizes.encoder_layer_bytes, sizes.encoder_table_bytes) == (32, 8, 16)
    assert sizes.vae_bytes == 8


def test_z_image_turbo_has_its_published_number_of_parameters() -> None:
    assert Z_IMAGE_TURBO.transformer_bytes == 2 * 6_154_908_736
    assert Z_IMAGE_TURBO.encoder_bytes == 2 * 4_022_468_096
    layers = 36 * Z_IMAGE_TURBO.encoder_layer_bytes
    assert layers + Z_IMAGE_TURBO.encoder_table_bytes == Z_IMAGE_TURBO.encoder_bytes
