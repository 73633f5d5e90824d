"""The transformer, optimised for a card: the same function as diffusers' with fewer passes over memory.

``forward``      the entry point, ``Forward``: refines captions and makes a ``Batch``, whose calls are steps
``modules``      the parameters under diffusers' names, without diffusers
``weights``      diffusers' parameters as fused layers and blocks, with or without LoRAs
``fuse``         fuses the loaded parameters in place
``tokens``       latents ↔ tokens, and RoPE
``packing``      rows of different lengths in one tensor
``block``        runs a sequence of blocks
``fusions``      the operations between two matrix products, and the choice of their implementation
``reference``    these operations in torch
``kernels``      these operations in Triton
``step_graphs``  short steps as CUDA graphs

The package does not know prompts, jobs or LoRA files; LoRAs are patches of its layers. Tests: ``pytest
tests/integration/pipeline/test_forward.py``.
"""
