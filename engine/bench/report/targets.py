"""The figures to reach in each row of the benchmark.

They are based on measurements of one H200 (see the package's README). Ratios apply to every card; seconds and
milliseconds apply to an H200.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.bench.report.results import FLOOR, OURS, RECIPE, STOCK, ResultLine, TargetResult, values

Values = Mapping[str, float]
SAME = {"float32": 1e-5, "bfloat16": 2e-2}  # relative error against diffusers, by number format
ON_CARD, IN_MEMORY, ON_DISK = "ours, on the card", "ours, in main memory", "ours, on disk"
PNG, CHANGED, BUSY = "PNG beside it", "base tensors changed", "card busy"
FIRST, ALONE = "first picture", "its parts alone"
ONE_LORA, MANY_LORAS = "always the same LoRA", "a random one of 16 LoRAs"
CASES = ("single", "batch of two sizes", "batch of two LoRAs", "stack of three LoRAs")
FP8 = {"E1": "ours, fp8, as E1", "E2": "ours, fp8, as E2"}
INT8 = {"E1": "ours, int8, as E1", "E2": "ours, int8, as E2"}
FP8_FLOOR = {"E1": "fp8 floor, as E1", "E2": "fp8 floor, as E2"}


@dataclass(frozen=True, slots=True)
class Target:
    """One figure to reach.

    Attributes:
        of: Computes the figure from the row's values; raises KeyError if one is missing.
        limit: The measured figure must be at most this, or with ``is_least`` at least this.
    """

    row: str
    what: str
    of: Callable[[Values], float]
    limit: float
    is_least: bool = False
    unit: str = ""

    @property
    def reach(self) -> str:
        """The limit as text."""
        return f"{'≥' if self.is_least else '≤'} {self.limit:g}{f' {self.unit}' if self.unit else ''}"

    def verdict(self, lines: list[ResultLine]) -> TargetResult:
        """Hold a run's lines against the limit."""
        try:
            measured = self.of(values(lines, self.row))
        except KeyError:
            return TargetResult(self.row, self.what, self.reach, None, None)
        is_met = measured >= self.limit if self.is_least else measured <= self.limit
        return TargetResult(self.row, self.what, self.reach, measured, is_met)


def _over(one: str, other: str) -> Callable[[Values], float]:
    return lambda row: row[one] / row[other]


def _is(who: str) -> Callable[[Values], float]:
    return lambda row: row[who]


def targets(dtype: str) -> tuple[Target, ...]:
    """Return all targets for a model in this number format."""
    return (
        Target("E1", "ours ÷ floor", _over(OURS, FLOOR), 1.10),
        Target("E1", "stock ÷ ours", _over(STOCK, OURS), 2.4, is_least=True),
        Target("E1", "recipe ÷ ours", _over(RECIPE, OURS), 1.6, is_least=True),
        Target("E1", PNG, _is(PNG), 30, unit="ms"),
        Target("E2", "ours ÷ floor", _over(OURS, FLOOR), 1.10),
        Target("E2", "recipe ÷ ours", _over(RECIPE, OURS), 1.3, is_least=True),
        Target("E3", "ours ÷ floor", _over(OURS, FLOOR), 1.10),
        Target("E3", "recipe ÷ ours", _over(RECIPE, OURS), 2.5, is_least=True),
        Target("E4", FP8["E1"], _is(FP8["E1"]), 0.19, unit="s"),
        Target("E4", FP8["E2"], _is(FP8["E2"]), 0.55, unit="s"),
        Target("E5", ON_CARD, _is(ON_CARD), 1, unit="ms"),
        Target("E5", IN_MEMORY, _is(IN_MEMORY), 16, unit="ms"),
        Target("E5", ON_DISK, _is(ON_DISK), 80, unit="ms"),
        Target("E5", CHANGED, _is(CHANGED), 0),
        Target("E6", "different LoRAs ÷ one", _over(MANY_LORAS, ONE_LORA), 0.95, is_least=True),
        Target("E7", BUSY, _is(BUSY), 97, is_least=True, unit="%"),
        Target("E8", "first picture ÷ its parts alone", _over(FIRST, ALONE), 1.6),
        Target("E12", "fp8 ÷ its floor, as E1", _over(FP8["E1"], FP8_FLOOR["E1"]), 1.10),
        Target("E12", "fp8 ÷ its floor, as E2", _over(FP8["E2"], FP8_FLOOR["E2"]), 1.10),
        *(Target("E9", f"error, {case}", _is(case), SAME[dtype]) for case in CASES),
    )


def evaluator_for(dtype: str) -> Callable[[list[ResultLine]], list[TargetResult]]:
    """Return a function that evaluates the lines of a run with a model in this number format."""
    known = targets(dtype)
    return lambda lines: [figure.verdict(lines) for figure in known]
