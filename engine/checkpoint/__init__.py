"""What lies on disk: safetensors headers, whole checkpoints, and the copy of one in bfloat16.

``header`` reads a file's header and trusts none of it; ``checkpoint`` says what a Z-Image folder must hold;
``converted`` knows which source a copy belongs to, ``convert`` rounds, ``shards`` writes; ``dtypes`` alone
knows torch, for those who do. Tests: ``pytest tests/unit/engine/checkpoint``.
"""
