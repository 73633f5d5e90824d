"""Latents → pixels: ``decode.decode`` is the entry point.

``decoder`` replaces the library's residual blocks by faster ones on a card, with ``norm_kernels`` for their
norms. Nothing here encodes an image into latents.
"""
