"""LoRA files in the worker: from a pinned hash to what it changes in the layers.

``find`` (hash → path, by the shelf), ``read`` (exactly the bytes that have this hash → tensors), ``keys`` and
``formats`` (every layout in the wild → one), ``bank`` (each converted once, kept near the card) and
``ways`` (how layers draw with them; the base weights are never written). The room knows no jobs, chats or
sockets, and opens no pickle. Nothing of it outlives the process.

Tests: ``pytest tests/unit/engine/lora`` (no torch) and ``pytest tests/integration/pipeline``.
"""
