"""LoRA files in the worker: a pinned hash → patches of the model's layers.

``finder``        hash → path, by the shelf
``file_reader``   exactly the bytes that have the hash → tensors
``updates``       what a file adds to the model's parameters: the values
``formats``       tensors in any known layout → one update per module
``adapter``       updates → one LoRA in the model's number format; what it does to a weight, in float32
``bank``          converts each LoRA once and caches it near the card
``patches``       what LoRAs change in a layer: a merged copy, or a side path; biases and norms with LoRAs
``merger``        base + LoRAs → a copy; never writes the base weights
``merge_kernel``  the merge of pairs in Triton
``side_path``     products beside a base weight, for rows with different LoRAs

The package knows no jobs, chats or sockets, and opens no pickle. Tests: ``pytest tests/unit/engine/lora`` (no
torch) and ``pytest tests/integration/pipeline``.
"""
