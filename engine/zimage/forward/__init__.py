"""The transformer's mathematics, written for the card: the same function as diffusers', with less to do.

``forward.Forward`` is the entry point: it reads a caption once, then makes a ``Batch`` whose every call is
one step of all its pictures. Behind it ``weights`` (diffusers' parameters, fused, in one copy), ``tokens``
(latents ↔ tokens and each token's position), ``packing`` (rows of any lengths in one tensor), ``block`` (a
row of blocks), ``fusions`` (what happens between two products: ``plain`` in torch, ``kernels`` on a card,
``eight`` for products in eight bits) and ``graphs`` (short steps, recorded).

The package knows no prompt, job or LoRA file; LoRAs come as patches of its layers. Nothing of it outlives the
process. Tests: ``pytest tests/integration/pipeline/test_forward.py``.
"""
