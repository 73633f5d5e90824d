"""This machine as the planner wants it: its card with link and rates, and its main memory."""

import os
from collections.abc import Mapping
from typing import Any

import pynvml
import structlog

from engine.planner.bounded import BoundedCall
from engine.planner.card import Card, CardProperties
from engine.planner.headroom import READ_TIMEOUT_S
from engine.planner.placement.cards import find_card, rates_of
from engine.planner.placement.values import LANE_BYTES_S, CardInfo

UNKNOWN_LINK = (3, 16)  # WSL and vGPUs tell no link, and most such machines have at least this

log = structlog.get_logger(__name__)


class CardProbe:
    """Reads the properties of one card; for several threads.

    Args:
        device: As in ``EngineConfig``.
        reserve_bytes: Kept free for other programs.
        nvml: The module ``pynvml``, or a substitute.
        environ: May have ``CUDA_VISIBLE_DEVICES``.
    """

    def __init__(
        self,
        device: str,
        reserve_bytes: int,
        *,
        nvml: Any = pynvml,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._is_cpu = device == "cpu"
        self._reserve_bytes = reserve_bytes
        self._nvml = nvml
        number = int(device.partition(":")[2] or 0)
        card = Card(number, environ.get("CUDA_VISIBLE_DEVICES"), nvml)
        self._read = BoundedCall(card.read_properties, READ_TIMEOUT_S)

    def read(self, held_bytes: int = 0) -> CardInfo | None:
        """Read the card now; None without a card, or if NVML does not answer.

        Args:
            held_bytes: What our worker holds and will use again.
        """
        if self._is_cpu:
            return None
        try:
            properties = self._read()
        except TimeoutError:
            log.warning("no plan, because NVML does not answer in time")
            return None
        except self._nvml.NVMLError as error:
            log.info("no plan, because NVML shows no card", detail=str(error))
            return None
        return None if properties is None else card_info(properties, held_bytes, self._reserve_bytes)


def card_info(properties: CardProperties, held_bytes: int, reserve_bytes: int) -> CardInfo:
    """Return a card as the planner wants it.

    Args:
        properties: As the driver tells them.
        held_bytes: What our worker holds and will use again.
        reserve_bytes: Kept free for other programs.
    """
    memory = properties.memory
    known = find_card(memory.device_name)
    generation, width = known.pcie if known else UNKNOWN_LINK
    generation = properties.pcie_generation or generation
    free_bytes = min(memory.free_bytes + held_bytes, memory.total_bytes) - reserve_bytes
    return CardInfo(
        name=memory.device_name,
        total_bytes=memory.total_bytes,
        free_bytes=max(0, free_bytes),
        pcie_generation=min(max(generation, min(LANE_BYTES_S)), max(LANE_BYTES_S)),
        pcie_width=properties.pcie_width or width,
        rates=rates_of(
            memory.device_name,
            properties.capability,
            total_bytes=memory.total_bytes,
            cores_ghz=properties.cores_ghz,
            memory_bytes_s=properties.memory_bytes_s,
        ),
    )
