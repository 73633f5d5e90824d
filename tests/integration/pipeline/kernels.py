"""Run as a program: the card's kernels in Triton's interpreter, on the CPU, held against torch's results.

The interpreter is chosen when Triton is imported, so it has a process of its own: TRITON_INTERPRET=1.
"""

import torch

from engine.demo.nets import WEIGHTS
from engine.lora import kernel
from engine.zimage import encoder, kernel_turn
from engine.zimage import kernels as vae_kernels
from engine.zimage.decoder import _exchange
from engine.zimage.forward import fusions, kernels, plain
from engine.zimage.load import choose_place, load_pipeline

CPU = torch.device("cpu")
# Small ones, of which no block of a kernel is full, and those of Z-Image-Turbo.
SIDES = [fusions.Sides(width=96, head=16, inner=96), fusions.Sides(width=3840, head=128, inner=10_240)]


def main() -> None:
    """Print the largest relative error of each number format; raise where a merge is wrong."""
    fused = fusions.Fusions(
        kernels.norm, kernels.add, kernels.add_norm, kernels.turn, kernels.swiglu, plain.pack
    )
    in_eight = fused._replace(**kernels.IN_EIGHT)
    for sides in SIDES:
        for number_format in (torch.float32, torch.bfloat16):
            print("error", number_format, fusions._difference(fused, CPU, number_format, sides))
        print("error", "float8", fusions._difference(in_eight, CPU, torch.float32, sides))
    pipeline = load_pipeline(WEIGHTS, choose_place("cpu"))
    _exchange(pipeline.vae.decoder, vae_kernels)
    encoder.exchange(pipeline.text_encoder.base_model, kernel_turn.turn, kernels.swiglu)
    kernel.try_out(torch.zeros(1))  # the interpreter has no products in bfloat16


if __name__ == "__main__":
    main()
