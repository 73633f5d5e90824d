"""Cards are found by any usual spelling, and an unknown card gets an estimate."""

import pytest

from engine.formatting import GIB
from engine.planner.placement.cards import DESKTOP_BYTES, KNOWN_CARDS, find_card, rates_of


@pytest.mark.parametrize("card", KNOWN_CARDS, ids=lambda card: card.name)
def test_every_card_is_found_by_its_own_name_and_by_the_drivers(card: object) -> None:
    name = card.name  # type: ignore[attr-defined]
    for spelling in (name, name.lower(), name.replace("RTX ", "RTX"), f"NVIDIA GeForce {name}"):
        assert find_card(spelling) is card, spelling


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("3060", "RTX 3060"),
        ("rtx3060", "RTX 3060"),
        ("rxt 3060", "RTX 3060"),
        ("RTX4060Ti16GB", "RTX 4060 Ti 16 GB"),
        ("RTX-3060", "RTX 3060"),
        ("4070 ti super", "RTX 4070 Ti SUPER"),
        ("RTX 4070 Ti S", "RTX 4070 Ti SUPER"),
        ("4060 ti", "RTX 4060 Ti 16 GB"),
        ("a100", "A100 40 GB"),
        ("NVIDIA A100-SXM4-80GB", "A100 80 GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 40 GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA L40S", "L40S"),
        ("rtx 2060", "RTX 2060 12 GB"),
    ],
)
def test_a_card_is_found_by_usual_spellings(spelling: str, name: str) -> None:
    found = find_card(spelling)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "RTX 3061",
        "Radeon RX 7900",
        "GTX 1070",
        "NVIDIA GeForce RTX 3060 Laptop GPU",
        "B200",
        "RTX 5060",
        "L40",
        "A10G",
        "100",
        "4070 Ti",
    ],
)
def test_another_card_is_not_taken_for_one_that_is_known(spelling: str) -> None:
    assert find_card(spelling) is None


def test_a_known_card_leaves_memory_to_a_desktop() -> None:
    card = find_card("RTX 3060")
    assert card is not None
    assert card.info().free_bytes == 12 * GIB - DESKTOP_BYTES
    assert card.info(5).free_bytes == 5


def test_the_link_of_a_wide_fourth_generation_slot_carries_25_gb_a_second() -> None:
    wide, narrow = find_card("RTX 3060"), find_card("RTX 4060")
    assert wide is not None
    assert narrow is not None
    assert wide.info().link_bytes_s == pytest.approx(25e9, rel=0.02)
    assert narrow.info().link_bytes_s == pytest.approx(12.6e9, rel=0.02)


def rates(
    name: str, capability: tuple[int, int] | None = None, total_gib: float = 24.0, cores_ghz: float = 0.0
) -> object:
    return rates_of(
        name, capability, total_bytes=round(total_gib * GIB), cores_ghz=cores_ghz, memory_bytes_s=0.0
    )


def test_cards_of_one_name_are_told_apart_by_their_memory() -> None:
    forty, eighty = find_card("A100 40 GB"), find_card("A100 80 GB")
    assert forty is not None
    assert eighty is not None
    assert rates("NVIDIA A100", total_gib=39.5) == forty.rates()
    assert rates("NVIDIA A100", total_gib=79.1) == eighty.rates()


def test_a_mig_instance_has_its_slices_part_of_the_rates() -> None:
    whole = find_card("H200")
    assert whole is not None
    part = rates_of("NVIDIA H200 MIG 2g.35gb", (9, 0), total_bytes=35 * GIB, cores_ghz=0, memory_bytes_s=0)
    assert part.bf16_flops == pytest.approx(whole.rates().bf16_flops * 2 / 7)


def test_an_unknown_card_is_estimated_from_its_cores_and_clock() -> None:
    # An RTX 3060 under another name: 3,584 cores at 1.78 GHz.
    given = rates_of("NVIDIA Unheard", (8, 6), total_bytes=GIB, cores_ghz=3584 * 1.78, memory_bytes_s=360e9)
    known = find_card("RTX 3060")
    assert known is not None
    assert given.bf16_flops == pytest.approx(known.rates().bf16_flops, rel=0.02)
    assert given.int8_flops == pytest.approx(known.rates().int8_flops, rel=0.02)
    assert given.fp8_flops == 0
    assert "estimated" in given.source


@pytest.mark.parametrize(
    ("capability", "fp8", "int8"), [((7, 0), False, False), ((7, 5), False, True), ((8, 9), True, True)]
)
def test_an_unknown_card_multiplies_only_what_its_generation_can(
    capability: tuple[int, int], *, fp8: bool, int8: bool
) -> None:
    given = rates_of("NVIDIA Unheard", capability, total_bytes=GIB, cores_ghz=5000, memory_bytes_s=0)
    assert (given.fp8_flops > 0, given.int8_flops > 0) == (fp8, int8)
    assert given.memory_bytes_s > 0
