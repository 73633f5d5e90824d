"""Clocks that do not move until a test moves them."""

from dataclasses import dataclass

START_MS = 1_790_000_000_000  # 2026-09-21, an ordinary day


@dataclass
class FakeClock:
    """Callable like the desk's clock: UTC milliseconds."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, *, ms: int = 0, seconds: float = 0, days: int = 0) -> None:
        """Move on; negative values set the clock back, as a machine's time service may."""
        self.now_ms += ms + int(seconds * 1_000) + days * 86_400_000


class FakeSeconds:
    """Callable like a monotonic clock, in seconds."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s
