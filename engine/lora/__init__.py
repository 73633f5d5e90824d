"""LoRA files in the worker: from a pinned hash to what it changes in the layers.

``find`` (hash → path, by the shelf), ``read`` (exactly the bytes that have this hash → tensors), ``formats``
(every layout in the wild → one), ``bank`` (each converted once, kept near the card),
``ways`` (how layers draw with them) and ``merge`` (base + LoRAs in a copy, on a card by ``kernel``; the base
weights are never written). The package knows no jobs, chats or
sockets, and opens no pickle. Nothing of it outlives the process.

Tests: ``pytest tests/unit/engine/lora`` (no torch) and ``pytest tests/integration/pipeline``.
"""
