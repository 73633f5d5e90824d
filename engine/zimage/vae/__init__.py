"""Latents → pixels. Nothing here encodes an image into latents.

``decode``        the entry point, ``decode``: one picture, optionally with little memory
``loader``        weights → our decoder, or the library's for an unknown variant
``decoder``       our decoder, on a card with kernels of its own
``strips``        the same in strips of rows, with less memory
``norm_kernels``  the group norms of these blocks in Triton
"""
