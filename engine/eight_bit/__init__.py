"""Matrix products in eight bits: float8 or int8 on both sides, with one scale per row on both sides.

Z-Image's activations reach 6.6e4, and 9e5 before the feed-forward's last layer, so one scale for a whole
tensor would round ordinary tokens to zero. int8 has no exponent, so its numbers are rotated first, which
spreads a large channel over its group.

``supported``        which cards have which format; knows no torch
``formats``          the two formats, and the layers that are in one
``quantise``         rotates, scales and rounds in torch, on any device
``rotate_kernel``    the same steps inside Triton kernels
``products``         multiplies as a linear layer does; chooses the fastest way on this card
``product_kernel``   the int8 product in Triton

The package knows no LoRAs and no blocks. Tests: ``pytest tests/integration/pipeline -k eight_bit``.
"""
