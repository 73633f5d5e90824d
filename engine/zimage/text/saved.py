"""Embeddings of prompts on the disk, for an encoder that is brought in for each new prompt.

After a restart of the worker, a prompt of the last days needs no encoder. An embedding is a person's text:
its file is private to the bot's user, and gone after a week. When a job is deleted, the desk deletes all.
"""

import hashlib
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from engine.durable import make_folder, write_file

MAX_FILES = 64  # as many as a worker keeps in memory; one of Z-Image has at most 2.6 MB
MAX_AGE_S = 7 * 86_400.0
LEAST_FREE_BYTES = 2 * 2**30  # of the disk; with less, nothing is saved
_EMBEDDING, _SHA256 = "embedding", "sha256"

log = structlog.get_logger("engine.zimage")


class SavedEmbeddings:
    """The embeddings in one folder.

    Args:
        folder: Created if it is missing.
        identity: All that decides an embedding besides its tokens: weights, number format, library, device.
        device: Where embeddings are used.
    """

    def __init__(self, folder: Path, identity: str, device: torch.device) -> None:
        self._folder = folder
        self._identity = identity
        self._device = device
        self._writer = ThreadPoolExecutor(1, "save embeddings")
        self._writer.submit(self._tidy)

    def load(self, tokens: Sequence[int]) -> Tensor | None:
        """Return the embedding of a prompt, [tokens, width]; None if it is not there or is damaged."""
        path = self._path(tokens)
        try:
            if time.time() - path.stat().st_mtime > MAX_AGE_S:
                return None
            tensors = load(path.read_bytes())
            embedding, known = tensors[_EMBEDDING], tensors[_SHA256]
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError) as error:
            log.warning("saved embedding not readable: the prompt is encoded", error=type(error).__name__)
            return None
        if not torch.equal(_sha256_of(embedding), known) or len(embedding) != len(tokens):
            log.warning("saved embedding damaged: the prompt is encoded")
            return None
        return embedding.to(self._device)

    def save(self, tokens: Sequence[int], embedding: Tensor) -> None:
        """Save an embedding; another thread writes the file."""
        self._writer.submit(self._write, self._path(tokens), embedding.cpu())

    def close(self) -> None:
        """Wait until all files are written."""
        self._writer.shutdown()

    def _write(self, path: Path, embedding: Tensor) -> None:
        try:
            make_folder(self._folder)
            if shutil.disk_usage(self._folder).free >= LEAST_FREE_BYTES:
                write_file(path, save({_EMBEDDING: embedding, _SHA256: _sha256_of(embedding)}))
        except OSError as error:  # the desk may delete the folder's files meanwhile
            log.warning("embedding not saved", error=type(error).__name__, detail=str(error))
        self._tidy()

    def _tidy(self) -> None:
        """Delete what is too old, and the oldest of too many."""
        try:
            found = sorted((path.stat().st_mtime, path) for path in self._folder.glob("*.safetensors"))
            for number, (written_s, path) in enumerate(reversed(found)):
                if number >= MAX_FILES or time.time() - written_s > MAX_AGE_S:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("old embeddings not deleted", error=type(error).__name__, detail=str(error))

    def _path(self, tokens: Sequence[int]) -> Path:
        name = hashlib.sha256(f"{self._identity} {' '.join(map(str, tokens))}".encode()).hexdigest()
        return self._folder / f"{name}.safetensors"


def _sha256_of(embedding: Tensor) -> Tensor:
    digest = hashlib.sha256(embedding.contiguous().view(torch.uint8).numpy().tobytes()).digest()
    return torch.tensor(list(digest), dtype=torch.uint8)
