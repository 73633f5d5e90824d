"""The costs that are assumed before anything is measured, and between and beyond measured sizes.

A prior of seconds is a polynomial of the picture's pixels: its coefficients, the fixed one first.

* Bytes of a picture beside what stays: stock diffusers in bf16 peaked 1.1 GiB above its 19.1 GiB of weights
  at 512 x 768 and 2.6 GiB at 1024 x 1024 (H200, 2026-11-22).
* Seconds: 8.4 a 512 x 768 picture of 8 steps with a LoRA on an A10, the slowest card with published figures.
  Products grow with the pixels, attention with their square: in Z-Image it takes as long as the products at
  4.7 million pixels (``placement.arithmetic``), and the steps of an H200 fit that: 33.0 ms at 512 x 768, 93.3
  at 1024 x 1024.
"""

FIXED_BYTES = 0.2 * 2**30
BYTES_A_PIXEL = 2.4 * 2**30 / 1024**2
BYTES_A_LORA = 160 * 2**20  # rank 32 on every linear of Z-Image-Turbo, bf16
ENCODER_BYTES = 69_000_000  # of the VAE, for start pictures: 34.3 million numbers in bf16
COPY_SHARE = 0.56  # of the weights' memory: the merged copy of 11.3 of Z-Image-Turbo's 20.5 GB
_USUAL_PIXELS = 512 * 768
_EQUAL_PIXELS = 4.7e6  # where attention takes as long as the products
_FIXED_PIXELS = 0.1 * _USUAL_PIXELS  # a tenth of a usual step does not shrink with the picture
_A_PIXEL_S = 2.5e-6 * _USUAL_PIXELS / (_FIXED_PIXELS + _USUAL_PIXELS * (1 + _USUAL_PIXELS / _EQUAL_PIXELS))
STEP_S = (_FIXED_PIXELS * _A_PIXEL_S, _A_PIXEL_S, _A_PIXEL_S / _EQUAL_PIXELS)
REST_S = (0.5,)
START_S = (0.1, 0.3 / 1024**2)  # unpack, resize, encode; a guess from the decoder's operations
