"""The transformer's parameters under the library's names, without the library: importing it takes seconds.

The modules have no forward of their own; ``forward`` computes with their parameters after ``fuse``.
"""

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from engine.zimage.forward.reference import EPSILON

TIME_WIDTH = 256  # of the time embedding, at most the transformer's width
TIME_INNER = 1024
MOST_LAYERS = 1000  # that anybody would call a variant


class TransformerConfig(BaseModel):
    """``transformer/config.json``; other fields are ignored. Defaults are the library's.

    Raises:
        ValueError: The transformer is a variant that ``forward`` does not compute.
    """

    model_config = ConfigDict(frozen=True)

    all_patch_size: tuple[int, ...] = (2,)
    all_f_patch_size: tuple[int, ...] = (1,)
    in_channels: int = 16
    dim: int = 3840
    n_layers: int = Field(30, gt=0, le=MOST_LAYERS)
    n_refiner_layers: int = Field(2, le=MOST_LAYERS)
    n_heads: int = 30
    n_kv_heads: int = 30
    norm_eps: float = EPSILON
    qk_norm: bool = True
    cap_feat_dim: int = 2560
    siglip_feat_dim: int | None = None
    rope_theta: float = 256.0
    t_scale: float = 1000.0
    axes_dims: tuple[int, ...] = (32, 48, 48)
    axes_lens: tuple[int, ...] = (1024, 512, 512)

    def model_post_init(self, _: Any) -> None:
        """Check what ``forward`` takes for granted."""
        is_turbo = (self.all_patch_size, self.all_f_patch_size) == (
            (2,),
            (1,),
        ) and self.siglip_feat_dim is None
        if not is_turbo or not self.qk_norm or self.norm_eps != EPSILON or self.n_kv_heads != self.n_heads:
            raise ValueError("The transformer has other patches, heads or norms than Z-Image-Turbo.")
        if sum(self.axes_dims) != self.dim // self.n_heads:
            raise ValueError("The transformer's position axes do not fill a head.")


class TransformerModules(nn.Module):
    """All parameters; attributes as the library's ``ZImageTransformer2DModel``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.in_channels, self.t_scale = config.in_channels, config.t_scale
        dim, numbers = config.dim, 4 * config.in_channels  # of a token: two by two latents
        time = min(dim, TIME_WIDTH)
        self.all_x_embedder = nn.ModuleDict({"2-1": _Linear(numbers, dim)})
        self.all_final_layer = nn.ModuleDict({"2-1": _FinalLayer(dim, time, numbers)})
        refiners = range(config.n_refiner_layers)
        self.noise_refiner = nn.ModuleList(_Block(config, time) for _ in refiners)
        self.context_refiner = nn.ModuleList(_Block(config, None) for _ in refiners)
        self.t_embedder = _TimeEmbedder(time)
        self.cap_embedder = nn.Sequential(_Norm(config.cap_feat_dim), _Linear(config.cap_feat_dim, dim))
        self.x_pad_token = nn.Parameter(torch.empty(1, dim))
        self.cap_pad_token = nn.Parameter(torch.empty(1, dim))
        self.layers = nn.ModuleList(_Block(config, time) for _ in range(config.n_layers))

    @property
    def device(self) -> torch.device:
        """The device of all parameters."""
        return self.x_pad_token.device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of all parameters."""
        return self.x_pad_token.dtype


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Leave the numbers as they are: the checkpoint's follow, and drawing others takes half a second."""


class _Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))


class _Attention(nn.Module):
    def __init__(self, dim: int, head: int) -> None:
        super().__init__()
        self.norm_q, self.norm_k = _Norm(head), _Norm(head)
        self.to_q, self.to_k, self.to_v = (_Linear(dim, dim, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([_Linear(dim, dim, bias=False)])


class _FeedForward(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        inner = int(dim / 3 * 8)
        self.w1, self.w3 = _Linear(dim, inner, bias=False), _Linear(dim, inner, bias=False)
        self.w2 = _Linear(inner, dim, bias=False)


class _Block(nn.Module):
    def __init__(self, config: TransformerConfig, time: int | None) -> None:
        super().__init__()
        dim = config.dim
        self.attention, self.feed_forward = _Attention(dim, dim // config.n_heads), _FeedForward(dim)
        self.attention_norm1, self.ffn_norm1 = _Norm(dim), _Norm(dim)
        self.attention_norm2, self.ffn_norm2 = _Norm(dim), _Norm(dim)
        if time is not None:
            self.adaLN_modulation = nn.Sequential(_Linear(time, 4 * dim))


class _FinalLayer(nn.Module):
    def __init__(self, dim: int, time: int, numbers: int) -> None:
        super().__init__()
        self.linear = _Linear(dim, numbers)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), _Linear(time, dim))


class _TimeEmbedder(nn.Module):
    def __init__(self, time: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(_Linear(TIME_WIDTH, TIME_INNER), nn.SiLU(), _Linear(TIME_INNER, time))
