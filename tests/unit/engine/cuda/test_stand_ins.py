"""Stand-ins for NVIDIA's libraries, as the system's own loader takes them."""

import ctypes
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cuda.shared_library import UNKNOWN_ERROR, NotALibrary, read_dependencies
from engine.cuda.stand_ins import FUNCTIONS, has_stand_ins, remove_unneeded, write_stand_ins

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or platform.machine() not in ("x86_64", "aarch64"),
    reason="builds libraries with gcc, for x86-64 or AArch64",
)

TORCH = """
int cudaCount(void);
int cublasMultiply(int);
int ncclSend(void);
int ask_the_runtime(void) { return cudaCount(); }
int multiply(void) { return cublasMultiply(2); }
int send(void) { return ncclSend(); }
"""


def build(path: Path, source: str, *arguments: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-x", "none", f"-Wl,-soname,{path.name}"]
    subprocess.run([*command, *arguments, "-o", str(path)], input=source, text=True, check=True)


def build_torch(site_packages: Path, multiply: str) -> None:
    """A torch that needs three libraries of NVIDIA; as NVIDIA does, one gives its symbols a version."""
    theirs, versions = site_packages / "theirs", site_packages / "versions"
    versions.write_text("libcublas.so.13 { global: *; };")
    build(theirs / "libcudart.so.13", "int cudaCount(void) { return 0; }")
    source = f"int {multiply}(int n) {{ return n; }}"
    build(theirs / "libcublas.so.13", source, f"-Wl,--version-script={versions}")
    build(theirs / "libnccl.so.2", "int ncclSend(void) { return 0; }")
    libraries = [str(path) for path in sorted(theirs.iterdir())]
    source, folder = TORCH.replace("cublasMultiply", multiply), site_packages / "nvidia/cu13/lib"
    build(site_packages / "torch/lib/libtorch_cuda.so", source, *libraries, f"-Wl,-rpath,{folder},-z,now")


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """An environment with torch, and of NVIDIA's libraries only the runtime."""
    build_torch(tmp_path, "cublasMultiply")
    folder = tmp_path / "nvidia/cu13/lib"
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "theirs/libcudart.so.13", folder)
    return tmp_path


def call(site_packages: Path, function: str) -> int:
    """Call a function of that torch in a process of its own: a library once loaded stays."""
    torch = site_packages / "torch/lib/libtorch_cuda.so"
    program = f"import ctypes; print(ctypes.CDLL({str(torch)!r}).{function}())"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    if process.returncode:
        raise OSError(process.stderr)
    return int(process.stdout)


def test_without_stand_ins_the_loader_refuses_torch(site_packages: Path) -> None:
    with pytest.raises(OSError, match=r"libcublas\.so\.13"):
        call(site_packages, "multiply")


def test_with_stand_ins_torch_loads_and_every_call_of_nvidia_reports_an_error(site_packages: Path) -> None:
    assert write_stand_ins(site_packages) == ("libcublas.so.13", "libnccl.so.2")
    assert call(site_packages, "multiply") == UNKNOWN_ERROR
    assert call(site_packages, "send") == UNKNOWN_ERROR


def test_the_runtime_stays_nvidias_own(site_packages: Path) -> None:
    write_stand_ins(site_packages)
    assert call(site_packages, "ask_the_runtime") == 0
    functions = ctypes.CDLL(str(site_packages / "nvidia/cu13/lib" / FUNCTIONS))
    assert not hasattr(functions, "cudaCount")


def test_a_new_torch_gets_the_functions_that_it_needs(site_packages: Path) -> None:
    write_stand_ins(site_packages)
    build_torch(site_packages, "cublasMultiplyEx")
    assert write_stand_ins(site_packages) == ("libcublas.so.13", "libnccl.so.2")
    assert call(site_packages, "multiply") == UNKNOWN_ERROR


def test_libraries_of_nvidia_that_are_there_get_no_stand_in(site_packages: Path) -> None:
    build(site_packages / "nvidia/nccl/lib/libnccl.so.2", "int ncclSend(void) { return 0; }")
    assert write_stand_ins(site_packages) == ("libcublas.so.13",)


def test_a_file_that_is_shared_with_a_cache_is_replaced_and_not_written(site_packages: Path) -> None:
    cached = site_packages / "cached"
    cached.write_bytes(b"of the cache")
    write_stand_ins(site_packages)
    stand_in = site_packages / "nvidia/cu13/lib/libnccl.so.2"
    stand_in.unlink()
    stand_in.hardlink_to(cached)
    with pytest.raises(NotALibrary):
        write_stand_ins(site_packages)
    stand_in.unlink()
    functions = site_packages / "nvidia/cu13/lib" / FUNCTIONS
    functions.unlink()
    functions.hardlink_to(cached)
    write_stand_ins(site_packages)
    assert cached.read_bytes() == b"of the cache"


def test_stand_ins_are_noticed_until_nvidias_packages_replace_them(site_packages: Path) -> None:
    assert not has_stand_ins(site_packages)
    names = write_stand_ins(site_packages)
    assert has_stand_ins(site_packages)
    for name in names:
        shutil.copy(site_packages / "theirs" / name, site_packages / "nvidia/cu13/lib" / name)
    assert not has_stand_ins(site_packages)


def test_without_the_runtime_nothing_is_written(site_packages: Path) -> None:
    (site_packages / "nvidia/cu13/lib/libcudart.so.13").unlink()
    with pytest.raises(LookupError, match="nvidia-cuda-runtime"):
        write_stand_ins(site_packages)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + b"\xff" * 100])
def test_a_file_that_is_no_library_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lib.so").write_bytes(content)
    with pytest.raises(NotALibrary):
        read_dependencies(tmp_path / "lib.so")


def test_what_only_builds_extensions_is_removed(tmp_path: Path) -> None:
    for name in (
        "include/torch/a.h",
        "bin/protoc-3",
        "bin/ptxas",
        "bin/torch_shm_manager",
        "lib/libtorch_cpu.so",
    ):
        path = tmp_path / "torch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
    assert remove_unneeded(tmp_path) == 300
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["libtorch_cpu.so", "torch_shm_manager"]
