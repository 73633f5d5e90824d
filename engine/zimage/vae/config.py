"""What a VAE's ``config.json`` says about its two halves."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class VaeConfig(BaseModel):
    """``vae/config.json``; other fields are ignored.

    Raises:
        ValueError: The decoder has parts that ours does not compute.
    """

    model_config = ConfigDict(frozen=True)

    block_out_channels: tuple[int, ...]
    layers_per_block: int
    latent_channels: int
    norm_num_groups: int
    in_channels: int = 3
    out_channels: int = 3
    scaling_factor: float
    shift_factor: float | None = None
    act_fn: str = "silu"
    down_block_types: tuple[str, ...] = ("DownEncoderBlock2D",)
    up_block_types: tuple[str, ...] = ("UpDecoderBlock2D",)
    mid_block_add_attention: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True

    def model_post_init(self, _: Any) -> None:
        """Check that every part of the decoder is of the kind that ours computes."""
        is_known = set(self.up_block_types) == {"UpDecoderBlock2D"} and self.act_fn == "silu"
        if not is_known or self.use_post_quant_conv or not self.mid_block_add_attention:
            raise ValueError("The VAE is a variant that our decoder does not compute.")

    @property
    def has_known_encoder(self) -> bool:
        """Whether every part of the encoder is of the kind that ours computes."""
        return set(self.down_block_types) == {"DownEncoderBlock2D"} and not self.use_quant_conv
