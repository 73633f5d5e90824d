"""Latents → pixels, and pixels → latents for pictures that begin with an earlier one.

``decode``        ``decode``: one picture, optionally with little memory
``encode``        ``StartEncoder``: the same way back
``loader``        weights → our decoder and encoder, or the library's for an unknown variant
``decoder``       our decoder
``encoder``       our encoder
``blocks``        what both are made of
``strips``        both in strips of rows, with less memory
``kernels``       chooses kernels of our own on a card
``norm_kernels``  group norms, sums and enlargement in Triton
``config``        what ``config.json`` says
"""
