"""Which GPU or MIG instance is read, and how NVML is opened again after an error."""

import pytest

from engine.planner.card import Card, CardMemory, CardProperties, CardSensors
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


RTX_3060 = {
    "capability": (8, 6), "cores": 3584, "core_mhz": 1780, "bus_bits": 192, "memory_mhz": 7501,
    "pcie_generation": 4, "pcie_width": 16, "utilisation": 97, "temperature": 66, "power_mw": 168_500,
    "limit_mw": 170_000,
}  # fmt: skip


def test_properties_are_read_in_si_units() -> None:
    card = Card(0, None, FakeNvml(FakeGpu(12, 11, "GPU-1", "NVIDIA GeForce RTX 3060", answers=RTX_3060)))
    assert card.read_properties() == CardProperties(
        memory=CardMemory(11 * GIB, 12 * GIB, "NVIDIA GeForce RTX 3060"),
        capability=(8, 6),
        pcie_generation=4,
        pcie_width=16,
        cores_ghz=pytest.approx(3584 * 1.78),
        memory_bytes_s=pytest.approx(360e9, rel=0.001),
        driver="580.1",
    )


def test_sensors_are_read_in_si_units() -> None:
    card = Card(0, None, FakeNvml(FakeGpu(12, 11, "GPU-1", "Card", answers=RTX_3060)))
    assert card.read_sensors() == CardSensors(
        memory=CardMemory(11 * GIB, 12 * GIB, "Card"),
        utilisation=0.97,
        temperature_c=66,
        power_w=168.5,
        power_limit_w=170.0,
    )


@pytest.mark.parametrize("missing", ["NOT_SUPPORTED", "FUNCTION_NOT_FOUND", "NO_PERMISSION", "UNKNOWN"])
def test_what_the_driver_does_not_tell_is_none_and_the_memory_is_still_read(missing: str) -> None:
    answers = {"missing": getattr(FakeNvml, f"NVML_ERROR_{missing}")}
    card = Card(0, None, FakeNvml(FakeGpu(12, 11, "GPU-1", "Card", answers=answers)))
    memory = CardMemory(11 * GIB, 12 * GIB, "Card")
    assert card.read_properties() == CardProperties(memory=memory, driver="580.1")
    assert card.read_sensors() == CardSensors(memory=memory)


def test_a_card_that_is_lost_between_two_questions_is_an_error() -> None:
    answers = {"missing": FakeNvml.NVML_ERROR_GPU_IS_LOST}
    card = Card(0, None, FakeNvml(FakeGpu(12, 11, "GPU-1", "Card", answers=answers)))
    with pytest.raises(FakeNvml.NVMLError):
        card.read_properties()


def test_a_mig_instance_has_the_link_and_the_sensors_of_its_gpu() -> None:
    instance = FakeGpu(10, 4, "MIG-aaaa1111", "Card MIG 1g.10gb", answers={"capability": (9, 0)})
    card = Card(0, None, FakeNvml(FakeGpu(80, 70, "GPU-1", "Card", [instance], answers=RTX_3060)))
    properties, sensors = card.read_properties(), card.read_sensors()
    assert properties is not None
    assert (properties.capability, properties.pcie_width) == ((9, 0), 16)
    assert properties.memory == CardMemory(4 * GIB, 10 * GIB, "Card MIG 1g.10gb")
    assert sensors is not None
    assert (sensors.temperature_c, sensors.utilisation) == (66, None)
