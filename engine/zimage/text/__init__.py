"""Prompt → embedding: tokens in the model's chat template, then the text encoder.

``prompt``       the entry point, ``Text``
``encoder``      replaces the library's layers by faster ones on a card
``rope_kernel``  RMS norm and RoPE of queries and keys in Triton
"""
