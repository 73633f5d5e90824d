"""The batched forward of training agrees with the library's forward."""

import pytest
import torch
from diffusers import ZImageTransformer2DModel

from engine.demo.batched_forward import batched_forward, padded_length
from engine.demo.networks import TRANSFORMER, new_transformer

WIDTH = TRANSFORMER["cap_feat_dim"]


@pytest.fixture(scope="module")
def transformer() -> ZImageTransformer2DModel:
    torch.manual_seed(0)
    transformer = new_transformer()
    for weight in transformer.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.05)
    return transformer.eval()


@torch.no_grad()
@pytest.mark.parametrize("size", [(24, 16), (16, 24), (16, 16), (18, 20)])
@pytest.mark.parametrize("lengths", [(3, 20), (40, 64)])
def test_batched_and_library_forward_agree_at_every_size_and_caption_length(
    transformer: ZImageTransformer2DModel, size: tuple[int, int], lengths: tuple[int, int]
) -> None:
    torch.manual_seed(1)
    latents, times = torch.randn(2, 16, *size), torch.tensor([0.1, 0.8])
    captions = [torch.randn(length, WIDTH) for length in lengths]
    stock = torch.stack(
        transformer([one[:, None] for one in latents], times, captions, return_dict=False)[0]
    )[:, :, 0]
    block = torch.full((2, padded_length(max(lengths)), WIDTH), 7.0)
    for row, one in enumerate(captions):
        block[row, : len(one)] = one
    dense = batched_forward(transformer, latents, times, block, torch.tensor(lengths))
    assert stock.abs().mean() > 0.1
    torch.testing.assert_close(dense, stock, atol=1e-4, rtol=1e-4)
