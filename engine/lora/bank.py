"""The LoRAs of one model: each is read once, converted once, and applied to the layers per picture.

disk → main memory (pinned if there is a card) → card. Both caches drop the least recently used LoRAs. The
base weights are never written, so nothing must be removed after a picture and nothing can drift.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog
import torch
from torch import Tensor

from engine.eight_bit.formats import NO_LAYERS, EightBitLayers
from engine.errors import LoraMissing, LoraNotAFile, LoraRejected, LoraTooLarge
from engine.lora.adapter import Adapter, LoraStack, convert
from engine.lora.file_reader import read_tensors
from engine.lora.finder import FoundFile, LoraFinder
from engine.lora.formats import normalise
from engine.lora.merger import Merger
from engine.lora.patches import NO_PATCHES, BlockPlaces, Matrices, Patches, VectorPatcher, Vectors
from engine.lora.side_path import side_patches
from engine.request import LoraChoice

CACHE_BYTES = 2**30  # main memory: four rank-32 LoRAs of Z-Image, 159 MB each; pinned, one holds 256 MiB
CARD_FRACTION = 20  # the card's cache is a twentieth of it, at least ``CACHE_BYTES``: 44 LoRAs on an H200

log = structlog.get_logger("engine.lora")


class Bank:
    """The LoRAs of one model. Not thread-safe, except ``prepare``.

    Args:
        matrices: The layers that LoRAs can change, on the model's device.
        finder: Finds the files.
        cache_bytes: Limit of the cache in main memory, and least limit of the card's.
        card_cache_bytes: Limit of the card's cache; by default a twentieth of the card.
        eight_bit_layers: Layers that are drawn in eight bits.
        on_copy_dropped: Called when the bank frees the merged copy of the weights. It must drop every other
            reference to that copy.
        blocks: The blocks whose base weights are not on the card; the other layers have a merged copy.
        vectors: The biases and norms that LoRAs can change.
    """

    def __init__(
        self,
        matrices: Matrices,
        finder: LoraFinder,
        cache_bytes: int = CACHE_BYTES,
        eight_bit_layers: EightBitLayers = NO_LAYERS,
        on_copy_dropped: Callable[[], None] = lambda: None,
        blocks: BlockPlaces | None = None,
        card_cache_bytes: int | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        self._matrices = matrices
        self._vectors = VectorPatcher(vectors or {})
        self._blocks = blocks
        self._finder = finder
        self._on_copy_dropped = on_copy_dropped
        self._places = {
            part: (name, rows) for name, matrix in matrices.items() for part, rows in matrix.parts.items()
        }
        self._shapes = {
            part: (len(matrices[name].weight[rows]), matrices[name].weight.shape[1])
            for part, (name, rows) in self._places.items()
        }
        self._lengths = {
            part: vector.base[rows].numel()
            for vector in (vectors or {}).values()
            for part, rows in vector.parts.items()
        }
        placed = blocks.matrices if blocks else {}
        others = {name: matrix for name, matrix in matrices.items() if name not in placed}
        weight = next(iter(others.values())).weight
        self._device, self._dtype = weight.device, weight.dtype
        self._in_memory = AdapterCache(cache_bytes)
        self._on_card = self._in_memory
        if self._device.type == "cuda":
            if card_cache_bytes is None:
                card_bytes = torch.cuda.get_device_properties(self._device).total_memory
                card_cache_bytes = max(cache_bytes, card_bytes // CARD_FRACTION)
            self._on_card = AdapterCache(card_cache_bytes)
        # Those of the present picture are in use even if the cache has dropped them. The same objects again
        # mean that nothing must be merged again.
        self._in_use: WeakValueDictionary[str, Adapter] = WeakValueDictionary()
        self._fetching: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._merger = Merger(others, NO_LAYERS if blocks else eight_bit_layers)
        self._merged: tuple[LoraStack | None, Patches] = (None, NO_PATCHES)
        self._copy_fits = True
        self._withdrawn: frozenset[str] = frozenset()

    def stack(self, choices: Sequence[LoraChoice]) -> LoraStack:
        """Fetch a picture's LoRAs onto the device. LoRAs of strength 0 are checked and left out.

        Raises:
            LoraRejected: A file is missing, changed, damaged or for another model. Facts: ``name`` and those
                of its class.
        """
        adapters = [(self._adapter(choice), choice.weight) for choice in choices]
        return tuple((adapter, strength) for adapter, strength in adapters if strength)

    def prepare(self, choices: Sequence[LoraChoice]) -> None:
        """Fetch LoRAs into main memory ahead of their jobs, as many as fit into half of the cache.

        May run in another thread. Ignores errors: ``stack`` raises them later.

        Args:
            choices: In the order in which they are needed.
        """
        ahead_bytes = 0
        for choice in choices:
            try:
                ahead_bytes += self._converted(choice).held_bytes
            except (LoraRejected, torch.OutOfMemoryError):
                continue
            if 2 * ahead_bytes > self._in_memory.limit_bytes:  # more would evict what is needed first
                return

    def patches(self, stacks: Sequence[LoraStack]) -> Patches:
        """Return the patches of the rows' LoRAs. They are valid until the next call with other stacks.

        Args:
            stacks: One per row.
        """
        if self._blocks is not None:
            return self._placed(self._blocks, stacks)
        if not any(stacks) and not self._merger.eight_bit_layers:
            return NO_PATCHES
        if len(set(stacks)) == 1 and self._copy_fits:
            try:
                return self._merge(stacks[0])
            except torch.OutOfMemoryError as error:
                detail = str(error).partition("\n")[0]
            self._drop_copy(detail)
        return self._beside(stacks) if any(stacks) else NO_PATCHES

    @property
    def copy_fits(self) -> bool:
        """Whether LoRAs are merged into a copy of the weights; otherwise they use the side path."""
        return self._copy_fits

    @property
    def copy_held_bytes(self) -> int:
        """Memory of the merged copy now."""
        return self._merger.nbytes

    @property
    def copy_bytes(self) -> int:
        """Memory of a merged copy of all layers."""
        return sum(matrix.weight.nbytes for matrix in self._matrices.values())

    @property
    def card_cache_bytes(self) -> int:
        """Memory of the LoRAs in the card's cache."""
        return self._on_card.held_bytes

    @property
    def card_cache_room_bytes(self) -> int:
        """What the card's cache may grow by."""
        return self._on_card.room_bytes

    def excess_bytes(self, choices: Sequence[LoraChoice]) -> int:
        """Return what these LoRAs, as far as they are in main memory, will take beyond the card's cache.

        The LoRAs of one picture are all held, even if they are larger than the limit of the cache.
        """
        own = {choice.sha256: self._in_memory.get(choice.sha256) for choice in choices}
        own_bytes = sum(adapter.nbytes for adapter in own.values() if adapter is not None)
        return max(0, own_bytes - max(self._on_card.limit_bytes, self._on_card.held_bytes))

    def give_up_copy(self, reason: str) -> bool:
        """Free the merged copy of the weights, and make no other until ``allow_copy``.

        Returns:
            False if there was none.
        """
        if not self._merger.nbytes:
            return False
        self._drop_copy(reason)
        return True

    def allow_copy(self, reason: str) -> None:
        """Merge LoRAs into a copy again, because there is memory for it."""
        log.info("LoRAs are merged into a copy again", reason=reason)
        self._copy_fits = True

    @property
    def eight_bit_layers(self) -> EightBitLayers:
        """The layers that the next picture has in eight bits; none without enough memory."""
        return self._merger.eight_bit_layers if self._copy_fits else NO_LAYERS

    def drop_caches(self, *, in_memory: bool) -> None:
        """Drop all LoRAs from the card's cache, and with ``in_memory`` also from main memory."""
        self._on_card.clear()
        if in_memory:
            self._in_memory.clear()

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Refuse the LoRAs with these contents from now on, and drop them from both caches. Thread-safe."""
        self._withdrawn = sha256
        for cache in (self._in_memory, self._on_card):
            cache.drop(sha256)

    def forget_withdrawn(self) -> None:
        """Drop what is left of withdrawn LoRAs in merged weights; call it between two jobs."""
        withdrawn = {id(self._in_use[each]) for each in self._withdrawn if each in self._in_use}
        if withdrawn and any(id(adapter) in withdrawn for adapter, _ in self._merged[0] or ()):
            if self._blocks is not None:
                self._blocks.use(())
            self._merged = (None, NO_PATCHES)
            self._merger.drop()
            self._on_copy_dropped()

    def _drop_copy(self, reason: str) -> None:
        log.warning("LoRAs use the side path: pictures take longer", reason=reason)
        self._copy_fits = False
        self._merged = (None, NO_PATCHES)
        self._merger.drop()
        self._on_copy_dropped()

    def _placed(self, blocks: BlockPlaces, stacks: Sequence[LoraStack]) -> Patches:
        """As ``patches``. Rows with different LoRAs have the side path, on pristine blocks."""
        if len(set(stacks)) > 1:
            blocks.use(())
            return replace(self._beside(stacks), blocks=blocks, is_eight_bit=blocks.is_eight_bit)
        blocks.use(stacks[0])
        patches = self._merge(stacks[0])
        if patches.blocks is None:
            patches = replace(patches, blocks=blocks, is_eight_bit=blocks.is_eight_bit)
            self._merged = stacks[0], patches
        return patches

    def _beside(self, stacks: Sequence[LoraStack]) -> Patches:
        """Return side patches of these rows."""
        patches = side_patches(self._matrices, stacks)
        if len(set(stacks)) == 1:
            return replace(patches, vectors=self._vectors.patched(stacks[0]))
        vectors = self._vectors.by_row(stacks)
        return replace(patches, vectors=vectors, is_by_row=bool(vectors))

    def _merge(self, stack: LoraStack) -> Patches:
        if stack != self._merged[0]:
            self._merged = (None, NO_PATCHES)  # if the merge fails, the copy holds parts of both
            patches = self._merger.merge(stack)
            self._merged = (stack, replace(patches, vectors=self._vectors.patched(stack)))
        return self._merged[1]

    def _adapter(self, choice: LoraChoice) -> Adapter:
        self._require_usable(choice)
        adapter = self._on_card.get(choice.sha256)
        if adapter is None:
            adapter = self._in_use.get(choice.sha256) or self._converted(choice).on(self._device)
            self._on_card.put(choice.sha256, adapter)
        self._in_use[choice.sha256] = adapter
        return adapter

    def _require_usable(self, choice: LoraChoice) -> None:
        if choice.sha256 in self._withdrawn:
            raise LoraMissing("It was withdrawn.", name=choice.name)

    def _converted(self, choice: LoraChoice) -> Adapter:
        self._require_usable(choice)
        with self._fetching[choice.sha256]:  # a second caller waits and finds the result
            adapter = self._in_memory.get(choice.sha256)
            if adapter is None:
                try:
                    adapter = self._read(choice)
                except LoraRejected as error:
                    error.facts["name"] = choice.name
                    raise
                self._in_memory.put(choice.sha256, adapter)
                self._in_memory.drop(self._withdrawn)  # if this one was withdrawn meanwhile
            return adapter

    def _read(self, choice: LoraChoice) -> Adapter:
        """Read the first of its files that has its content."""
        *others, last = self._finder.files_of(choice)
        for file in others:
            try:
                return self._read_file(file, choice)
            except (LoraMissing, LoraNotAFile, LoraTooLarge):  # replaced or removed since the host named it
                continue
        return self._read_file(last, choice)

    def _read_file(self, file: FoundFile, choice: LoraChoice) -> Adapter:
        return read_tensors(file, choice, self._convert, is_pinned=self._device.type == "cuda")

    def _convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Adapter:
        updates = normalise(tensors, self._shapes, self._lengths, metadata, self._dtype)
        return convert(updates, self._dtype, self._base_of, is_pinned=self._device.type == "cuda")

    def _base_of(self, part: str) -> Tensor:
        name, rows = self._places[part]
        if self._blocks is not None and name in self._blocks.matrices:
            return self._blocks.pristine(part)
        return self._matrices[name].weight[rows]


class AdapterCache:
    """Adapters by hash. It holds at most ``limit_bytes`` and drops the least recently used first.

    Thread-safe. A single adapter may exceed the limit.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._entries: OrderedDict[str, Adapter] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str) -> Adapter | None:
        """Return the adapter and count it as just used."""
        with self._lock:
            if sha256 in self._entries:
                self._entries.move_to_end(sha256)
            return self._entries.get(sha256)

    def put(self, sha256: str, entry: Adapter) -> None:
        """Store an adapter of any size and drop others if necessary."""
        with self._lock:
            self._entries[sha256] = entry
            while (
                len(self._entries) > 1
                and sum(each.held_bytes for each in self._entries.values()) > self.limit_bytes
            ):
                self._entries.popitem(last=False)

    @property
    def held_bytes(self) -> int:
        """Memory of all adapters."""
        with self._lock:
            return sum(each.held_bytes for each in self._entries.values())

    @property
    def room_bytes(self) -> int:
        """What it may grow by before it drops an adapter."""
        return max(0, self.limit_bytes - self.held_bytes)

    def drop(self, sha256: frozenset[str]) -> None:
        """Drop these adapters."""
        with self._lock:
            for each in sha256:
                self._entries.pop(each, None)

    def clear(self) -> None:
        """Drop all adapters."""
        with self._lock:
            self._entries.clear()
