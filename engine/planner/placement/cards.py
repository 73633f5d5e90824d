"""The figures of common cards, and the look-up by name.

Rates are dense, from NVIDIA's data sheets and white papers (the column ``source``). A card does not sustain
them: the two shares say what part it reaches in large products, in bf16 and in eight bits. Measured: H200
643–673 of 989 TFLOP/s in bf16 and 1,190–1,270 of 1,979 in fp8 (``engine/README.md``); RTX 3060 87 % in bf16
and 64 % in int8 (public run of Forge, PR 651); A10 70–90 of 125 TFLOP/s at its 150 W (public runs). The
other cards take the share of the nearest measured one.

Turing has no bf16 in its tensor cores: bf16 runs at the float32 rate.
"""

import difflib
import re
from dataclasses import dataclass

from engine.eight_bit.supported import BF16_SINCE, FP8_SINCE, INT8_SINCE
from engine.formatting import GIB
from engine.planner.placement.values import CardInfo, CardRates

_GEFORCE = (0.85, 0.64)
_HOPPER = (0.66, 0.62)
_LOW_POWER = (0.62, 0.55)  # A10, L4, T4: the limit of power is below that of arithmetic
_AMPERE_100 = (0.80, 0.64)
_INT8_ON_HOPPER = 0.3  # Hopper's fp8 is as wide, and public int8 kernels do not reach bf16 there
_MEMORY = re.compile(r"(?:(?<=\D)|\b)(\d{1,3})\s*gb\b")
_NOISE = re.compile(r"\b(nvidia|geforce|tesla|graphics|gpu|pcie|sxm\d?|hbm\d\w*)\b|[^a-z0-9]")
_MODEL = re.compile(r"([a-z]*)(\d+)([a-z]*)")
_OTHER_RATES = ("laptop", "mobile", "max-q")  # cards of a known number, but slower
_GEFORCE_DIGITS = 4  # "3060" is enough; "100" is not
_MIG = re.compile(r"\bMIG (\d+)g\.", re.IGNORECASE)
_MIG_SLICES = 7
_SIMILAR = 0.6  # how like the letters of a name must be: "rxt" and "rtx", not "b" and "h"


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A card as it is sold.

    Attributes:
        total_gib: What the driver reports as its memory.
        pcie: Generation and lanes of its connector.
        tflops: Dense rates in bf16, fp8 and int8; 0 for a format that it cannot multiply.
        memory_gb_s: Rate of its memory.
        shares: What part of the rates it sustains in bf16 and in eight bits.
    """

    name: str
    total_gib: float
    capability: tuple[int, int]
    pcie: tuple[int, int]
    tflops: tuple[float, float, float]
    memory_gb_s: float
    shares: tuple[float, float]
    source: str

    def info(self, free_bytes: int | None = None) -> CardInfo:
        """Return the card with so much memory free; without a figure all but a small desktop's share."""
        total_bytes = round(self.total_gib * GIB)
        return CardInfo(
            name=self.name,
            total_bytes=total_bytes,
            free_bytes=total_bytes - round(DESKTOP_BYTES) if free_bytes is None else free_bytes,
            pcie_generation=self.pcie[0],
            pcie_width=self.pcie[1],
            rates=self.rates(),
        )

    def rates(self, part: float = 1.0) -> CardRates:
        """Return what the card sustains, or a part of it."""
        bf16, fp8, int8 = self.tflops
        sixteen, eight = self.shares
        int8_share = _INT8_ON_HOPPER if self.capability == (9, 0) else eight
        return CardRates(
            bf16_flops=bf16 * sixteen * 1e12 * part,
            fp8_flops=fp8 * eight * 1e12 * part,
            int8_flops=int8 * int8_share * 1e12 * part,
            memory_bytes_s=self.memory_gb_s * 1e9 * part,
            source=self.source,
        )


DESKTOP_BYTES = 0.75 * GIB  # of a card that also shows a desktop, with the default reserve for others

_TURING = "NVIDIA Turing white paper; bf16 at the float32 rate"
_AMPERE = "NVIDIA Ampere GA102 white paper, appendix A"
_ADA = "NVIDIA Ada white paper, appendix A"
_BLACKWELL = "NVIDIA RTX Blackwell white paper, appendix A"
_SHEET = "NVIDIA data sheet"

KNOWN_CARDS = (
    KnownCard("RTX 2060 12 GB", 12, (7, 5), (3, 16), (7.2, 0, 114.9), 336, _GEFORCE, _TURING),
    KnownCard("RTX 3060", 12, (8, 6), (4, 16), (25.5, 0, 102), 360, _GEFORCE, _AMPERE),
    KnownCard("RTX 3070", 8, (8, 6), (4, 16), (40.6, 0, 162.6), 448, _GEFORCE, _AMPERE),
    KnownCard("RTX 3080", 10, (8, 6), (4, 16), (59.5, 0, 238), 760, _GEFORCE, _AMPERE),
    KnownCard("RTX 3090", 24, (8, 6), (4, 16), (71, 0, 284), 936, _GEFORCE, _AMPERE),
    KnownCard("RTX 4060", 8, (8, 9), (4, 8), (30.2, 60.5, 121), 272, _GEFORCE, _ADA),
    KnownCard("RTX 4060 Ti 16 GB", 16, (8, 9), (4, 8), (44.1, 88.2, 176.5), 288, _GEFORCE, _ADA),
    KnownCard("RTX 4070", 12, (8, 9), (4, 16), (58.3, 116.6, 233.2), 504, _GEFORCE, _ADA),
    KnownCard("RTX 4070 Ti SUPER", 16, (8, 9), (4, 16), (88.2, 176.4, 352.8), 672, _GEFORCE, _ADA),
    KnownCard("RTX 4080", 16, (8, 9), (4, 16), (97.5, 194.9, 389.9), 717, _GEFORCE, _ADA),
    KnownCard("RTX 4090", 24, (8, 9), (4, 16), (165.2, 330.3, 660.6), 1008, _GEFORCE, _ADA),
    KnownCard("RTX 5070", 12, (12, 0), (5, 16), (61.7, 123.5, 246.9), 672, _GEFORCE, _BLACKWELL),
    KnownCard("RTX 5080", 16, (12, 0), (5, 16), (112.6, 225.1, 450.2), 960, _GEFORCE, _BLACKWELL),
    KnownCard("RTX 5090", 32, (12, 0), (5, 16), (209.5, 419, 838), 1792, _GEFORCE, _BLACKWELL),
    KnownCard("A10", 22.5, (8, 6), (4, 16), (125, 0, 250), 600, _LOW_POWER, _SHEET),
    KnownCard("L4", 22.5, (8, 9), (4, 16), (121, 242.5, 242.5), 300, _LOW_POWER, _SHEET),
    KnownCard(
        "T4", 15, (7, 5), (3, 16), (8.1, 0, 130), 320, _LOW_POWER, f"{_SHEET}; bf16 at the float32 rate"
    ),
    KnownCard("A100 40 GB", 40, (8, 0), (4, 16), (312, 0, 624), 1555, _AMPERE_100, _SHEET),
    KnownCard("A100 80 GB", 80, (8, 0), (4, 16), (312, 0, 624), 2039, _AMPERE_100, _SHEET),
    KnownCard("L40S", 45, (8, 9), (4, 16), (362, 733, 733), 864, _LOW_POWER, _SHEET),
    KnownCard("H100", 80, (9, 0), (5, 16), (989, 1979, 1979), 3350, _HOPPER, _SHEET),
    KnownCard("H200", 140.4, (9, 0), (5, 16), (989, 1979, 1979), 4800, _HOPPER, f"{_SHEET}; measured, too"),
)


def find_card(name: str) -> KnownCard | None:
    """Find a known card by a name as people or the driver write it; None if no name is near enough.

    ``rtx3060``, ``NVIDIA GeForce RTX 3060`` and ``3060`` are the same card. A laptop's card has other rates
    than the card of the same number, so it is not known.
    """
    wanted, memory_gib = _parse(name)
    if wanted is None:
        return None
    near = [card for card in KNOWN_CARDS if _is_same(wanted, _parse(card.name)[0])]
    return min(near, key=lambda card: abs(card.total_gib - (memory_gib or card.total_gib)), default=None)


def rates_of(
    name: str,
    capability: tuple[int, int] | None,
    *,
    total_bytes: int,
    cores_ghz: float,
    memory_bytes_s: float,
) -> CardRates:
    """Return a card's rates: from the table if it is known, otherwise an estimate.

    Args:
        name: As the driver gives it; a MIG instance gets its slices' part.
        capability: Compute capability, if the driver tells it.
        total_bytes: Tells apart cards of one name with different memory.
        cores_ghz: CUDA cores times their highest clock in GHz; 0 if unknown.
        memory_bytes_s: The memory's rate as the driver gives it; 0 if unknown.
    """
    part = int(found[1]) / _MIG_SLICES if (found := _MIG.search(name)) else 1.0
    known = find_card(_MIG.split(name)[0])
    if known is not None:
        same = [each for each in KNOWN_CARDS if _is_same(_parse(known.name)[0], _parse(each.name)[0])]
        return min(same, key=lambda each: abs(each.total_gib * GIB - total_bytes)).rates(part)
    # GeForce cards: two float32 operations a core and clock, bf16 twice that, int8 four times bf16.
    capability = capability or (8, 6)
    single = 2 * (cores_ghz or _UNKNOWN_CORES_GHZ) * 1e9
    sixteen, eight = _GEFORCE
    return CardRates(
        bf16_flops=single * (2 if capability >= BF16_SINCE else 1) * sixteen,
        fp8_flops=single * 4 * eight if capability >= FP8_SINCE else 0.0,
        int8_flops=single * 8 * eight if capability >= INT8_SINCE else 0.0,
        memory_bytes_s=memory_bytes_s or _UNKNOWN_MEMORY_BYTES_S,
        source="estimated from the card's cores and clock",
    )


_UNKNOWN_CORES_GHZ = 3584 * 1.78  # an RTX 3060
_UNKNOWN_MEMORY_BYTES_S = 300e9


def _parse(name: str) -> tuple[tuple[str, str, str] | None, float]:
    """Split a name into letters, number and letters, and its GB of memory: ``rtx``, ``4060``, ``ti``; 16."""
    lower = name.lower()
    memory = _MEMORY.search(lower)
    words = _NOISE.sub(" ", _MEMORY.sub(" ", lower)).split()
    found = _MODEL.fullmatch("".join(words))
    if found is None or any(word in lower for word in _OTHER_RATES):
        return None, 0.0
    letters, number, after = found.groups()
    after = "tisuper" if after == "tis" else after
    return (letters, number, after), float(memory[1]) if memory else 0.0


def _is_same(wanted: tuple[str, str, str] | None, known: tuple[str, str, str] | None) -> bool:
    """Whether two names mean one card: equal from the number on, with similar letters before it."""
    if wanted is None or known is None or wanted[1:] != known[1:]:
        return False
    if not wanted[0]:
        return len(wanted[1]) == _GEFORCE_DIGITS
    return difflib.SequenceMatcher(None, wanted[0], known[0]).ratio() >= _SIMILAR
