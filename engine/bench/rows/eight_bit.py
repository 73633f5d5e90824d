"""E4 and E12: pictures in fp8 and int8, which a host may choose: speed, error, and speed next to a floor."""

from dataclasses import replace

import torch

from engine.bench.report.results import ResultLine
from engine.bench.report.targets import FP8, INT8
from engine.bench.rows.accuracy import ONE, ComparedPicture, error_of
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.workload import Workload, format_size
from engine.config import WeightFormat
from engine.eight_bit.supported import is_supported

COMPARED = {row: ComparedPicture(row, ONE) for row in FP8}
NAMES = {WeightFormat.FP8: FP8, WeightFormat.INT8: INT8}
NO_CARD = "needs a card that multiplies in eight bits"
FULL_PRECISION = "was drawn in full precision: the log names what does not work or does not fit"


def multiplies_in(weight_format: WeightFormat, device: torch.device) -> bool:
    """Whether this device has the format."""
    return device.type == "cuda" and is_supported(weight_format, torch.cuda.get_device_capability(device))


class EightBitPictures:
    """Our pipeline in an 8-bit format, if the card supports it."""

    def __init__(self, workload: Workload, weight_format: WeightFormat) -> None:
        self._workload = workload
        self._names = NAMES[weight_format]
        can = multiplies_in(weight_format, workload.placement.device)
        self._ours = OwnPipeline(workload, weight_format) if can else None
        self._lines: dict[str, ResultLine] = {}

    def line(self, target: str, row: str) -> ResultLine:
        """Measure a picture of the size of ``row``, once for all targets; its note has the error.

        Args:
            target: The row of the result: ``E4`` or ``E12``.
            row: ``E1`` or ``E2``.

        Returns:
            Without a value if the picture was not drawn in the format.
        """
        if row not in self._lines:
            self._lines[row] = self._measured(row)
        return replace(self._lines[row], row=target)

    def _measured(self, row: str) -> ResultLine:
        work, who = format_size(self._workload.sizes[row]), self._names[row]
        if self._ours is None:
            return ResultLine("", who, None, work=work, note=NO_CARD)
        if self._ours.is_eight_bit:
            line, _ = self._ours.lines(row)
            error = error_of(self._workload, self._ours, COMPARED[row])
            note = f"relative error {error:.1e} against the library · {line.note}"
            if self._ours.is_eight_bit:  # check again: the bank drops the copy when memory runs out
                return ResultLine("", who, line.value, work=work, peak_gib=line.peak_gib, note=note)
        return ResultLine("", who, None, work=work, note=FULL_PRECISION)

    def close(self) -> None:
        """End the pipeline's threads."""
        if self._ours:
            self._ours.close()
