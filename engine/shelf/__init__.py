"""The shelf: the LoRA files that people may name, each proved to fit the model. Never imports torch.

* ``index``       reads the folders: which files may be chosen, and which are rejected
* ``names``       the names of files, which people type
* ``sidecar``     what the host says about a file: how it is used, and by whom
* ``validation``  proves what a file changes in this model; shelf and worker share this proof
* ``layouts``     the tensor names of the known trainers
* ``algorithms``  which tensors make one update: LoRA, LoHa, LoKr, differences; and as which kind it is held
* ``metadata``    what trainers write beside the tensors: the scale, a title, a trigger word
* ``numbers``     proves that the numbers are finite, bounded and not all zero
* ``hashes``      sha256 of files, remembered while a file does not change
* ``changes``     notices changed folders while the bot runs
* ``versions``    private copies of the files that waiting jobs need

A rejected file harms no other. Only the copies outlive the process. Every function blocks: call it in a
thread.

Tests: ``pytest tests/unit/engine/shelf``.
"""

from engine.shelf.algorithms import MAX_RANK
from engine.shelf.changes import FolderChanges
from engine.shelf.hashes import known_sha256, remember_sha256, sha256_of, stamp_of
from engine.shelf.index import LoraFile, Rejected, Shelf, read_shelf, sources_of
from engine.shelf.numbers import check_file_numbers
from engine.shelf.sidecar import MAX_WEIGHT, Helper, LoraKind, Sidecar
from engine.shelf.validation import MAX_FILE_BYTES
from engine.shelf.versions import drop_versions, keep_version, kept_versions, version_path

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_RANK",
    "MAX_WEIGHT",
    "FolderChanges",
    "Helper",
    "LoraFile",
    "LoraKind",
    "Rejected",
    "Shelf",
    "Sidecar",
    "check_file_numbers",
    "drop_versions",
    "keep_version",
    "kept_versions",
    "known_sha256",
    "read_shelf",
    "remember_sha256",
    "sha256_of",
    "sources_of",
    "stamp_of",
    "version_path",
]
