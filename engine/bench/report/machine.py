"""Describes the machine of a measurement, without its name or paths."""

import importlib.metadata
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.zimage.device import Placement

LIBRARIES = ("torch", "diffusers", "transformers", "peft")
ASK_S = 20.0  # for the driver's version


def describe_machine(placement: Placement, program: str, words: Sequence[str]) -> dict[str, Any]:
    """Return the device, its driver, the libraries, the date and the command.

    Args:
        placement: The model's device and number format.
        program: ``engine.bench``.
        words: The command line; paths are cut to their last part.
    """
    return {
        "device": placement.name,
        "dtype": str(placement.dtype).removeprefix("torch."),
        "driver": _driver() if placement.is_card else "",
        "python": sys.version.partition(" ")[0],
        "versions": {library: importlib.metadata.version(library) for library in LIBRARIES},
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": f"python -m {program} {shlex.join(map(_short, words))}".strip(),
    }


def _short(word: str) -> str:
    return Path(word).name if "/" in word else word


def _driver() -> str:
    """Return the driver's version; empty if nvidia-smi fails."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()
