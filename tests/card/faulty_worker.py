"""A worker that meets a sticky CUDA error in its next step once a flag file exists, which it removes first.

``python -m tests.card.faulty_worker FD``. The file's path is in the environment variable ``FLAG``. Without a
card it raises the error that torch raises on one.
"""

import os
import sys
from pathlib import Path

FLAG = "SUGARBOT_TEST_FAULT"


def main() -> None:
    """Patch the denoiser of this process, then serve as the real worker does."""
    import torch

    from engine.worker import __main__ as worker
    from engine.zimage.denoise import Denoiser

    flag, step = Path(os.environ[FLAG]), Denoiser.step

    def fail_or_step(denoiser: Denoiser) -> None:
        if flag.exists():
            flag.unlink()
            if not torch.cuda.is_available():
                raise torch.AcceleratorError("CUDA error: device-side assert triggered")
            torch._assert_async(torch.zeros(1, device="cuda"))
        step(denoiser)

    Denoiser.step = fail_or_step  # type: ignore[method-assign]
    worker.main()


if __name__ == "__main__":
    sys.exit(main())
