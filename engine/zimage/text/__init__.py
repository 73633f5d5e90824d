"""Prompt → embedding: tokens in the model's chat template, then the text encoder.

``prompt``       the entry point, ``Text``
``tokenizer``    prompt → tokens, by the model's files or by the library
``encoder``      tokens → embedding: Qwen3's layers
``streaming``    the same with layers that pass through the card
``rope_kernel``  RMS norm and RoPE of queries and keys in Triton
"""
