"""E4: pictures with the large products in fp8, which a host may choose: speed and error."""

from engine.bench.report.results import ResultLine
from engine.bench.report.targets import FP8
from engine.bench.rows.accuracy import ONE, ComparedPicture, error_of
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.workload import Workload, format_size
from engine.zimage.forward.fp8 import should_use_fp8

COMPARED = {row: ComparedPicture(row, ONE) for row in FP8}
NO_CARD = "needs a card that multiplies in fp8"
FULL_PRECISION = "was drawn in full precision: the log names what does not work or does not fit"


class Fp8Pictures:
    """Our pipeline in fp8, if the card supports it."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        can = should_use_fp8("fp8", workload.placement.device)
        self._ours = OwnPipeline(workload, is_fp8=True) if can else None

    def line(self, row: str) -> ResultLine:
        """Measure a picture of the size of ``row``; its note has the error. No value without fp8."""
        work = format_size(self._workload.sizes[row])
        if self._ours is None:
            return ResultLine("E4", FP8[row], None, work=work, note=NO_CARD)
        if self._ours.uses_fp8:
            line, _ = self._ours.lines(row)
            error = error_of(self._workload, self._ours, COMPARED[row])
            note = f"relative error {error:.1e} against the library · {line.note}"
            if self._ours.uses_fp8:  # check again: the bank drops the fp8 copy when memory runs out
                return ResultLine("E4", FP8[row], line.value, work=work, peak_gib=line.peak_gib, note=note)
        return ResultLine("E4", FP8[row], None, work=work, note=FULL_PRECISION)

    def close(self) -> None:
        """End the pipeline's threads."""
        if self._ours:
            self._ours.close()
