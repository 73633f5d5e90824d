"""Stands in for NVIDIA's libraries on a machine without a card: ``python -m engine.cuda.stand_ins``.

PyPI has one build of torch for Linux. It needs 2.7 GB of CUDA libraries to be imported, although nothing on
such a machine calls them. This module writes a small library for each of those that torch needs and the
environment lacks. Their functions report an error, so that no caller takes them for a card. NVIDIA's runtime
(``nvidia-cuda-runtime``, 3 MB) stays: it tells torch that the machine has no card.

The stand-ins lie where NVIDIA's packages put their own libraries, which replace them when they are installed.
With ``--small`` the module also removes what torch needs only to build extensions or on a card; torch must be
installed again before either.
"""

import re
import shutil
import sys
import sysconfig
from pathlib import Path

from engine.cuda.shared_library import Dependencies, build_library, read_dependencies

FUNCTIONS = "libsugarbot_stand_ins.so"
"""It has all functions, and each stand-in loads it. The loader refuses a library without the versions which
torch expects of it, but takes a symbol without a version from any other one."""

_LINEAR_ALGEBRA = "lib/libtorch_cuda_linalg.so"  # loaded by the first call on a card

_OF_NVIDIA = re.compile(r"lib(cu(?!da\.so)|nccl|nv)\w*\.so(\.\d+)*")  # libcuda.so belongs to the driver
_FUNCTION_OF_NVIDIA = re.compile(r"(cu|nccl|nv)\w+")


def write_stand_ins(site_packages: Path) -> tuple[str, ...]:
    """Write a stand-in for each library of NVIDIA that torch needs and that is not there; return their names.

    Earlier stand-ins are written again: another torch needs other functions.

    Args:
        site_packages: The folder that contains ``torch`` and ``nvidia``.

    Raises:
        LookupError: NVIDIA's runtime is not installed there.
    """
    nvidia = site_packages / "nvidia"
    runtime = next(iter(sorted(nvidia.rglob("libcudart.so.*"))), None)
    if runtime is None:
        raise LookupError("the package nvidia-cuda-runtime is not installed")
    ours = _dependencies(sorted((site_packages / "torch" / "lib").glob("*.so*")))
    theirs = _dependencies([path for path in nvidia.rglob("lib*.so*") if path.name != FUNCTIONS])
    theirs = {name: library for name, library in theirs.items() if FUNCTIONS not in library.needed}
    needed = {name for library in ours.values() for name in library.needed if _OF_NVIDIA.fullmatch(name)}
    missing = sorted(needed - ours.keys() - theirs.keys())
    if not missing:
        return ()
    every = [*ours.values(), *theirs.values()]
    undefined = frozenset[str]().union(*(library.undefined for library in ours.values()))
    defined = frozenset[str]().union(*(library.defined for library in every))
    functions = sorted(name for name in undefined - defined if _FUNCTION_OF_NVIDIA.fullmatch(name))
    machine = every[0].machine
    folder = runtime.parent
    _write(folder / FUNCTIONS, build_library(FUNCTIONS, machine, functions, ()))
    for name in missing:
        _write(folder / name, build_library(name, machine, (), (FUNCTIONS,)))
    return tuple(missing)


def has_stand_ins(site_packages: Path) -> bool:
    """Whether a library of NVIDIA is a stand-in, so that nothing can be drawn on a card."""
    nvidia = site_packages / "nvidia"
    if not any(nvidia.rglob(FUNCTIONS)):
        return False
    libraries = _dependencies(sorted(nvidia.rglob("lib*.so*")))
    return any(FUNCTIONS in library.needed for library in libraries.values())


def remove_unneeded(site_packages: Path) -> int:
    """Remove headers, compilers and the card's linear algebra from torch; return the bytes that they took."""
    torch, freed_bytes = site_packages / "torch", 0
    for path in [torch / "include", *torch.glob("bin/protoc*"), torch / "bin/ptxas", torch / _LINEAR_ALGEBRA]:
        if path.is_dir():
            freed_bytes += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            shutil.rmtree(path)
        elif path.is_file():
            freed_bytes += path.stat().st_size
            path.unlink()
    return freed_bytes


def _dependencies(paths: list[Path]) -> dict[str, Dependencies]:
    return {path.name: read_dependencies(path) for path in paths if path.is_file()}


def _write(path: Path, content: bytes) -> None:
    """Replace the file, not its content, which a cache or another environment may share."""
    draft = path.with_name(f"{path.name}.part")
    draft.write_bytes(content)
    draft.replace(path)


if __name__ == "__main__":
    folder = Path(sysconfig.get_path("platlib"))
    sys.stdout.write(f"{len(write_stand_ins(folder))} libraries of NVIDIA have stand-ins\n")
    if "--small" in sys.argv[1:]:
        sys.stdout.write(f"{remove_unneeded(folder) / 1e6:.0f} MB of torch removed\n")
