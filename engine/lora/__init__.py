"""LoRA files in the worker: from a pinned hash to layers on the model, and off it again.

``find`` (hash → path, by the shelf), ``read`` (exactly the bytes that have this hash → tensors), ``keys`` and
``formats`` (every layout in the wild → one), ``attach`` (on the model for one job, off afterwards). The room
knows no jobs, chats or sockets, and opens no pickle. Nothing of it outlives the process.

Tests: ``pytest tests/unit/engine/lora`` (no torch) and ``pytest tests/integration/pipeline``.
"""
