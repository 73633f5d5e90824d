"""Every layout that trainers write is converted exactly, or refused by the shelf with a reason.

Each file goes the whole way from its bytes to the updates of the model's layers, and its effect is compared
with the reference that its maker computed. ``python -m tests.integration.pipeline.test_lora_layouts`` prints
the table.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import LoraRejected
from engine.lora.file_reader import read_tensors
from engine.lora.formats import normalise
from engine.lora.updates import Dense, FileUpdates, Kronecker, LowRank, Term, Update
from engine.request import LoraChoice
from engine.shelf import validation
from engine.shelf.numbers import check_numbers
from tests.fakes.lora_files import other, plain, refused
from tests.fakes.lora_files.found import found as found_file
from tests.fakes.lora_files.parts import LoraFileMade, Make, Model, small_model

LIMIT = 1e-4  # relative error of a file's effect, in float32
MODEL = small_model()
FILES: dict[str, Make] = dict(plain.files()) | dict(other.files())
REFUSED = {name: (make, error) for name, make, error in refused.layouts()}
BROKEN = {name: (make, error) for name, make, error in refused.broken()}


@dataclass(frozen=True)
class Verdict:
    """What becomes of a file.

    Attributes:
        kind: right, wrong, silent (without effect), refused, or late: only the worker refuses it.
    """

    kind: str
    error: float = 0.0
    reason: LoraRejected | None = None


def delta_of(term: Term) -> Tensor:
    """The difference in float64, as ``engine.lora.updates`` defines it."""
    match term:
        case LowRank():
            return term.up.double() @ term.down.double()
        case Kronecker():
            whole = torch.kron(term.left.double(), term.right.double())
            return whole[term.rows]
        case Dense():
            return term.delta.double()


def effect_of(update: Update, weight: Tensor) -> Tensor:
    """The difference of a layer's weight at strength 1."""
    delta = sum((delta_of(term) for term in update.terms), torch.zeros_like(weight, dtype=torch.float64))
    if update.magnitude is None:
        return delta
    changed = weight.double() + delta
    return update.magnitude.double()[:, None] * changed / changed.norm(dim=1, keepdim=True) - weight.double()


def effects(updates: FileUpdates, model: Model) -> dict[str, Tensor]:
    """Parameter's name → difference."""
    found = {name: delta.double() for name, delta in updates.vectors.items()}
    for module, update in updates.linears.items():
        if update.terms or update.magnitude is not None:
            found[f"{module}.weight"] = effect_of(update, model.weights[f"{module}.weight"])
        if update.bias is not None:
            found[f"{module}.bias"] = update.bias.double()
    return found


def relative_error(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest over the parameters; infinite if other parameters are changed."""
    if found.keys() != expected.keys():
        return float("inf")
    return max(float((found[name] - own).norm() / own.norm()) for name, own in expected.items())


def judge(made: LoraFileMade, model: Model, path: Path) -> Verdict:
    """Take a file the whole way: the shelf by its header and its numbers, then the worker."""
    save_file(
        {name: tensor.contiguous() for name, tensor in made.tensors.items()}, path, made.metadata or None
    )
    is_on_shelf = False
    try:
        with validation.open_regular_file(path) as file:
            header, metadata = validation.read_tensors(file)
            layers = validation.find_layers(header, model.linears, model.vectors, metadata)
            check_numbers(file, header, layers)
        is_on_shelf = True
        choice = LoraChoice("face", hashlib.sha256(path.read_bytes()).hexdigest(), 1.0)
        updates = read_tensors(
            found_file(path), choice, lambda read, own: normalise(read, model.linears, model.vectors, own)
        )
    except LoraRejected as error:
        return Verdict("late" if is_on_shelf else "refused", reason=error)
    found = effects(updates, model)
    if not any(delta.any() for delta in found.values()):
        return Verdict("silent")
    error = relative_error(found, made.effect)
    return Verdict("right" if error <= LIMIT else "wrong", error)


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_the_effect_that_its_own_mathematics_has(name: str, tmp_path: Path) -> None:
    verdict = judge(FILES[name](MODEL), MODEL, tmp_path / "face.safetensors")
    assert (verdict.kind, verdict.reason) == ("right", None), verdict


@pytest.mark.parametrize("name", [*REFUSED, *BROKEN])
def test_what_is_not_drawn_is_refused_with_its_names(name: str, tmp_path: Path) -> None:
    make, error = (REFUSED | BROKEN)[name]
    verdict = judge(make(MODEL), MODEL, tmp_path / "face.safetensors")
    assert type(verdict.reason) is error, verdict
    assert verdict.reason.facts["why"]
    assert verdict.kind == "refused"
    if error not in _OF_FILES:
        assert any(str(each) in str(verdict.reason) for each in verdict.reason.facts["found"]), verdict


_OF_FILES = {BROKEN[name][1] for name in ("no tensors", "metadata: not JSON", "no effect")}


def test_at_least_95_of_100_layouts_are_right() -> None:
    assert len(FILES) >= 110
    assert len(FILES) / (len(FILES) + len(REFUSED)) >= 0.95


def test_a_wrong_reference_is_noticed() -> None:
    """The comparison is not empty: half an effect, another module or another scale is wrong."""
    made = FILES["fused attention.qkv"](MODEL)
    path = Path(tempfile.mkdtemp()) / "face.safetensors"
    first = next(iter(made.effect))
    for wrong in (
        made.effect | {first: made.effect[first] * 1.001},
        {name: delta for name, delta in made.effect.items() if name != first},
    ):
        assert judge(LoraFileMade(made.tensors, {}, wrong), MODEL, path).kind == "wrong"


def main(write: Callable[[str], object] = print) -> None:
    """Print what becomes of each layout."""
    path = Path(tempfile.mkdtemp()) / "face.safetensors"
    counts: Counter[str] = Counter()
    makers = FILES | {name: make for name, (make, _) in REFUSED.items()}
    for name, make in makers.items():
        verdict = judge(make(MODEL), MODEL, path)
        counts[verdict.kind] += 1
        write(f"{name:45} {verdict.kind:8} {verdict.reason or f'{verdict.error:.1e}'}")
    write(f"{len(makers)} files: {dict(counts)}")


if __name__ == "__main__":
    main()
