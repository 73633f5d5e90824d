"""The shelf: the LoRA files that people may name, each proved to fit the model. Never imports torch.

* ``index``       reads the folders: names, titles, triggers, and which files are rejected
* ``sidecar``     what the host says about a file: how it is used, and by whom
* ``validation``  proves that a file holds LoRA pairs for this model; shelf and worker share this proof
* ``layouts``     the tensor names of the known trainers
* ``kinds``       the kinds of updates, and those that the worker can draw
* ``hashes``      sha256 of files, remembered while a file does not change

A rejected file harms no other. Nothing outlives the process. Every function blocks: call it in a thread.

Tests: ``pytest tests/unit/engine/shelf``.
"""

from engine.shelf.hashes import known_sha256, sha256_of
from engine.shelf.index import LoraFile, Rejected, Shelf, read_shelf
from engine.shelf.sidecar import MAX_WEIGHT, Helper, LoraKind, Sidecar
from engine.shelf.validation import MAX_FILE_BYTES, MAX_RANK

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_RANK",
    "MAX_WEIGHT",
    "Helper",
    "LoraFile",
    "LoraKind",
    "Rejected",
    "Shelf",
    "Sidecar",
    "known_sha256",
    "read_shelf",
    "sha256_of",
]
