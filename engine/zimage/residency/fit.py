"""Fits what is kept on the card to the memory that is free, before each picture and after a failure.

Other programs come and go. Before a picture: fewer blocks, or no merged copy, if there is too little memory;
more again if there is more. After a failure: one option lower. Each change is logged with its reason.
"""

from collections.abc import Callable, Sequence

import structlog

from engine.config import Plan
from engine.formatting import MIB
from engine.lora.bank import Bank
from engine.request import LoraChoice
from engine.zimage.residency.memory import (
    GROWTH_MARGIN,
    ActivationEstimate,
    MemoryReading,
    fitting_blocks,
)
from engine.zimage.residency.store import BlockStore

MAX_MARGIN = 16 * GROWTH_MARGIN
SHRINK_PART = 4  # after a failure, one of so many resident blocks loses its slot, at least one

log = structlog.get_logger("engine.worker")


class MemoryFit:
    """Chooses the options of one pipeline by the memory of its device.

    Args:
        bank: Makes the merged copy, if the pristine weights are on the card.
        store: The blocks, if they are not.
        memory: Of the device.
        on_moved: Called when weights have moved on the card.
        plan: Says which pictures pass the VAE with little memory.
    """

    def __init__(
        self,
        bank: Bank,
        store: BlockStore | None,
        memory: MemoryReading,
        on_moved: Callable[[], None] = lambda: None,
        *,
        plan: Plan | None = None,
    ) -> None:
        self._bank, self._store, self._memory, self._on_moved = bank, store, memory, on_moved
        self._plan = plan or Plan()
        self._activations = ActivationEstimate()
        self._had_copy = True
        self._margin = GROWTH_MARGIN  # doubles with each failure, halves with each picture

    def prepare(
        self, width_px: int, height_px: int, loras: Sequence[LoraChoice] = (), *, extra_bytes: int = 0
    ) -> None:
        """Make room for a picture of this size with these LoRAs, or use more memory if there is some.

        ``extra_bytes`` is what else will be loaded for it.
        """
        room = self._memory.room_bytes()
        self._had_copy = self._bank.copy_fits
        if room is None:
            return
        is_lean = self._plan.has_vae_in_parts(width_px, height_px)
        needed = self._activations.of(width_px, height_px, is_lean=is_lean)
        needed += self._bank.excess_bytes(loras) + extra_bytes
        if self._store is not None:
            self._fit_blocks(self._store, room - needed - self._bank.card_cache_room_bytes)
        else:
            self._fit_copy(room - needed)

    def learn(self, width_px: int, height_px: int, peak_bytes: int) -> None:
        """Note the most that was held during a picture of this size, and whether its LoRAs had their copy."""
        if self._memory.room_bytes() is not None:
            used = max(0, peak_bytes - self._memory.held_bytes())  # what is held now is no activation
            is_lean = self._plan.has_vae_in_parts(width_px, height_px)
            self._activations.learn(width_px, height_px, used, is_lean=is_lean)
        is_lower = self._had_copy and not self._bank.copy_fits
        self._margin = (
            min(MAX_MARGIN, self._margin * 2) if is_lower else max(GROWTH_MARGIN, self._margin // 2)
        )

    @property
    def yields_bytes(self) -> int:
        """What the next picture can have of the memory that is held now: the copy, or slots of blocks."""
        store = self._store
        if store is None:
            return self._bank.copy_held_bytes
        return max(0, store.main_bytes - store.ring_slots * store.block_bytes)

    def lower(self, reason: str) -> bool:
        """After a failure, use less memory from now on; false if nothing more can be given up."""
        self._margin = min(MAX_MARGIN, self._margin * 2)
        if not self._give_up(reason):
            return False
        # It had what was given up now. The rest would count as a need of the picture, for many jobs to come.
        self._memory.forget_peak()
        return True

    def _give_up(self, reason: str) -> bool:
        if self._store is None:
            return self._bank.give_up_copy(reason)
        resident = self._store.resident_blocks
        fewer = min(
            resident - max(1, resident // SHRINK_PART), self._store.main_blocks - self._store.ring_slots - 1
        )
        if fewer < 0:
            return False
        self._resize(self._store, fewer, reason)
        return True

    def _fit_blocks(self, store: BlockStore, spare: int) -> None:
        """Give as many blocks a slot as fit; ``spare`` is what is free beside them and the picture."""
        slots = spare + store.main_bytes
        now = store.resident_blocks
        of_store = store.block_bytes, store.main_blocks, store.ring_slots
        fitting = fitting_blocks(slots, *of_store)
        if fitting > now:  # with a margin, so that the number does not change with every picture
            fitting = fitting_blocks(
                slots - self._margin, store.block_bytes, store.main_blocks, store.ring_slots
            )
            if fitting > now:
                self._resize(store, fitting, f"{_mib(spare)} are free beside the picture")
        elif fitting < now:
            self._resize(store, fitting, f"the picture lacks {_mib(-spare)}")

    def _resize(self, store: BlockStore, blocks: int, reason: str) -> None:
        before = store.resident_blocks
        try:
            store.resize(blocks)
        finally:
            self._on_moved()
        log.info(
            "resident blocks changed", before=before, now=store.resident_blocks, of=store.main_blocks,
            reason=reason,
        )  # fmt: skip

    def _fit_copy(self, spare: int) -> None:
        """Give up the merged copy, or allow it again."""
        if spare < 0 and self._bank.copy_held_bytes:
            self._bank.give_up_copy(f"the picture lacks {_mib(-spare)}")
            self._margin = min(MAX_MARGIN, self._margin * 2)
        elif not self._bank.copy_fits and spare >= self._bank.copy_bytes + self._margin:
            self._bank.allow_copy(f"{_mib(spare)} are free beside the picture")


def _mib(count: int) -> str:
    return f"{count // MIB} MiB"
