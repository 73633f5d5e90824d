"""How long a worker may be silent before it counts as hung: by the steps that it has taken."""

from collections import deque

from engine.request import Event, Progress

LEAST_S = 25.0  # of silence; a kernel that must be built first takes about ten seconds
USUAL_STEPS = 10  # a step that takes longer than so many usual ones is none
NEWEST = 64  # steps that make the usual one


class StepWatch:
    """Measures the steps of one worker.

    Args:
        most_s: The limit while nothing is measured, and the largest at any time.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._steps_s: deque[float] = deque(maxlen=NEWEST)
        self._last: tuple[Progress, float] | None = None

    @property
    def limit_s(self) -> float:
        """The longest silence about the job that is being drawn."""
        if not self._steps_s:
            return self._most_s
        return min(self._most_s, max(LEAST_S, USUAL_STEPS * max(self._steps_s)))

    def note(self, event: Event, now_s: float) -> None:
        """Measure the time between two steps of one picture.

        The first step counts for nothing: it comes after the prompt, a merge, and kernels that are built.
        """
        before, self._last = self._last, None
        if not isinstance(event, Progress):
            return
        self._last = (event, now_s)
        if before is None:
            return
        earlier, then_s = before
        is_next = (earlier.job_id, earlier.attempt, earlier.index, earlier.step + 1) == (
            event.job_id, event.attempt, event.index, event.step
        )  # fmt: skip
        if is_next and earlier.step > 0:
            self._steps_s.append(now_s - then_s)
