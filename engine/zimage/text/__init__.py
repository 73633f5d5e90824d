"""Prompt → embedding: tokens in the model's chat template, then the text encoder.

``prompt``       the entry point, ``Text``
``tokenizer``    prompt → tokens, by the model's files or by the library
``encoder``      tokens → embedding: Qwen3's layers
``streaming``    the same with layers that pass through the card
``scaled``       matrices in eight bits
``saved``        embeddings of earlier prompts on the disk
``rope_kernel``  RMS norm and RoPE of queries and keys in Triton
"""
