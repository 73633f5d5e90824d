"""Latents → pixels. Nothing here encodes an image into latents.

``decode``        the entry point, ``decode``: one picture, optionally in tiles
``decoder``       replaces the library's residual blocks by faster ones on a card
``norm_kernels``  the group norms of these blocks in Triton
"""
