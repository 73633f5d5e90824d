"""Which GPU or MIG instance is read, and how NVML is opened again after an error."""

import pytest

from engine.planner.card import Card, CardMemory
from tests.fakes.nvml import GIB, FakeGpu, FakeNvml


def three() -> FakeNvml:
    return FakeNvml(
        FakeGpu(24, 1, "GPU-8d93f2a1-01", "Card 0"),
        FakeGpu(40, 2, "GPU-8d10aaaa-02", "Card 1"),
        FakeGpu(80, 3, "GPU-41fe0000-03", "Card 2"),
    )


def divided() -> FakeNvml:
    """A GPU in two MIG instances, the first place empty, beside a whole GPU."""
    instances = [
        None,
        FakeGpu(10, 4, "MIG-aaaa1111", "Card 0 MIG 1g.10gb", place=(3, 0)),
        FakeGpu(20, 5, "MIG-aaaa2222", "Card 0 MIG 2g.20gb", place=(5, 1)),
    ]
    whole = FakeGpu(24, 6, "GPU-41fe0000", "Card 1")
    return FakeNvml(FakeGpu(80, 70, "GPU-8d93f2a1", "Card 0", instances), whole)


def name_of(card: Card) -> str | None:
    memory = card.read()
    return None if memory is None else memory.device_name


@pytest.mark.parametrize(
    ("number", "visible", "name"),
    [
        (0, None, "Card 0"),
        (1, None, "Card 1"),
        (3, None, None),
        (0, "1", "Card 1"),
        (1, "2, 0", "Card 0"),
        (1, "0,-1,1", None),
        (0, "GPU-8d9", "Card 0"),
        (1, "GPU-41,GPU-8d1", "Card 1"),
        (0, "GPU-8d", None),
        (0, "", None),
        (0, "NoDevFiles", None),
    ],
)
def test_the_card_has_the_number_that_cuda_uses(number: int, visible: str | None, name: str | None) -> None:
    assert name_of(Card(number, visible, three())) == name


def test_a_reading_is_in_bytes() -> None:
    assert Card(1, None, three()).read() == CardMemory(2 * GIB, 40 * GIB, "Card 1")


@pytest.mark.parametrize(
    ("number", "visible", "name"),
    [
        (0, None, "Card 0 MIG 1g.10gb"),
        (0, "0", "Card 0 MIG 1g.10gb"),
        (1, None, "Card 1"),
        (0, "MIG-aaaa2222", "Card 0 MIG 2g.20gb"),
        (0, "MIG-AAAA22", "Card 0 MIG 2g.20gb"),
        (0, "MIG-aaaa2222,MIG-aaaa1111", "Card 0 MIG 2g.20gb"),
        (0, "MIG-aaaa", None),
        (0, "MIG-", None),
        (0, "MIG-bbbb", None),
        (1, "MIG-aaaa2222,MIG-aaaa1111", None),
        (0, "MIG-GPU-8d93f2a1/5/1", "Card 0 MIG 2g.20gb"),
        (0, "MIG-GPU-8d93f2a1/5/0", None),
        (0, "MIG-GPU-41fe0000/5/1", None),
    ],
)
def test_of_a_divided_gpu_one_instance_is_read_and_never_the_whole(
    number: int, visible: str | None, name: str | None
) -> None:
    assert name_of(Card(number, visible, divided())) == name


def test_a_setting_that_names_no_instance_shows_none_even_if_only_one_exists() -> None:
    instance = FakeGpu(10, 4, "MIG-aaaa1111", "Card 0 MIG 1g.10gb")
    nvml = FakeNvml(FakeGpu(80, 70, "GPU-8d93f2a1", "Card 0", [instance]))
    assert name_of(Card(0, "MIG-a", nvml)) == "Card 0 MIG 1g.10gb"
    assert name_of(Card(0, "MIG-", nvml)) is None


def test_nvml_is_opened_once_and_again_after_an_error() -> None:
    nvml = three()
    card = Card(0, None, nvml)
    for _ in range(3):
        card.read()
    assert nvml.opened == 1
    nvml.fails_with = nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    with pytest.raises(nvml.NVMLError):
        card.read()
    assert not nvml.is_open
    with pytest.raises(nvml.NVMLError):  # it cannot even be opened
        card.read()
    nvml.fails_with = None
    assert name_of(card) == "Card 0"
    assert nvml.opened == 2


def test_another_card_that_is_lost_does_not_matter() -> None:
    nvml = three()
    nvml.gpus[0].is_lost = True
    assert name_of(Card(1, None, nvml)) == "Card 1"
    assert name_of(Card(0, "2,0", nvml)) == "Card 2"
    with pytest.raises(nvml.NVMLError):
        Card(0, None, nvml).read()
