"""E4: the large products in fp8, which a host may choose: how fast, and how far from the library."""

from engine.bench.report.figures import FP8
from engine.bench.report.results import ResultLine
from engine.bench.rows.agreement import ONE, ComparedPicture, error_of
from engine.bench.rows.ours import Ours
from engine.bench.rows.subject import Subject, said
from engine.zimage.forward.fp8 import wants_eight

COMPARED = {row: ComparedPicture(row, ONE) for row in FP8}
NO_CARD = "needs a card that multiplies in fp8"
NOT_IN_EIGHT = "was drawn in full precision: the log names what does not work or does not fit"


class Fp8Pictures:
    """Our own way in eight bits, where the card can."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        can = wants_eight("fp8", subject.place.device)
        self._ours = Ours(subject, is_eight=True) if can else None

    def line(self, row: str) -> ResultLine:
        """A picture of the size of ``row``, the error in its note; no value where it is not in eight bits."""
        work = said(self._subject.sizes[row])
        if self._ours is None:
            return ResultLine("E4", FP8[row], None, work=work, note=NO_CARD)
        if self._ours.is_in_eight:
            line, _ = self._ours.lines(row)
            error = error_of(self._subject, self._ours, COMPARED[row])
            note = f"relative error {error:.1e} against the library · {line.note}"
            if self._ours.is_in_eight:  # still: the copy in eight bits is given up where memory runs out
                return ResultLine("E4", FP8[row], line.value, work=work, peak_gib=line.peak_gib, note=note)
        return ResultLine("E4", FP8[row], None, work=work, note=NOT_IN_EIGHT)

    def close(self) -> None:
        """End its threads."""
        if self._ours:
            self._ours.close()
