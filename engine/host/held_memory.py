"""What a worker holds of its device, as far as it reports it: at its start, and after each job."""

from engine.planner.monitor import WorkerShare
from engine.request import Failed, FailReason, Finished, Progress, Stopped


class HeldMemory:
    """Follows the reports of the present worker.

    Attributes:
        bytes: The device memory that it holds and will use again.
        share: What of it is what.
        is_measured: Whether it has reported this after its last job. Weights alone are less than what a
            worker holds, and so is the last report while the next job is drawn.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Note that there is no worker."""
        self.bytes, self.share, self.is_measured = 0, WorkerShare(), False
        self._weights_bytes = 0

    def start(self, weights_bytes: int) -> None:
        """Note a new worker."""
        self.forget()
        self.bytes = self._weights_bytes = weights_bytes
        self.share = WorkerShare(weights_bytes, weights_bytes)

    def begin(self) -> None:
        """Note that a job is sent to the worker."""
        self.is_measured = False

    def note(self, event: Progress) -> None:
        """Note a step of a job."""
        self.bytes = event.held_bytes or self.bytes

    def end(self, outcome: Finished | Stopped | Failed) -> None:
        """Note the end of a job."""
        match outcome:
            case Finished():
                self.bytes = outcome.held_bytes or max(self.bytes, outcome.peak_bytes)
                weights = (outcome.kept_bytes or self._weights_bytes) - outcome.lora_bytes
                self.share = WorkerShare(self.bytes, max(0, weights), outcome.lora_bytes)
                self.is_measured = True
            case Failed(reason=FailReason.OUT_OF_MEMORY):
                self.bytes = self._weights_bytes  # it has freed all other memory
                self.is_measured = True
            case _:  # it reports nothing, and may hold more than before
                self.is_measured = False
