"""What a LoRA file holds and what is stated about it, for ``sugarbot lora check`` and ``info``."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from bot.cli.screen import Screen, add_row
from bot.languages import title_of
from bot.messages import N_, text
from engine.checkpoint.contents import linear_shapes, vector_lengths
from engine.checkpoint.model import ModelInfo
from engine.formatting import in_mib
from engine.shelf import LoraFile, Sidecar, sha256_of
from engine.shelf.layouts import describe_layout
from engine.shelf.metadata import Proposals, proposals_of
from engine.shelf.numbers import check_numbers
from engine.shelf.sidecar import MAX_TITLE
from engine.shelf.validation import find_layers, open_regular_file, read_tensors

SHOWN_LAYOUTS = 4


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file that fits the model holds.

    Attributes:
        layout: How its tensors are named.
        tensors: All of them take effect.
        layers: How many layers they change, of ``model_layers``.
        kinds: As what the changes are held.
        rank: The largest; 0 if none is of low rank.
        proposals: What the trainer wrote about the file; nobody has checked it.
    """

    name: str
    path: str
    sha256: str
    bytes: int
    layout: tuple[str, ...]
    tensors: int
    layers: int
    model_layers: int
    kinds: tuple[str, ...]
    rank: int
    proposals: Proposals


def examine(path: Path, model: ModelInfo, name: str = "") -> FileFacts:
    """Prove a file in every way that needs no worker.

    Raises:
        LoraRejected: Its class says why.
    """
    linears, vectors = linear_shapes(model.folder), vector_lengths(model.folder)
    with open_regular_file(path) as file:
        tensors, metadata = read_tensors(file)
        layers = find_layers(tensors, linears, vectors, metadata)
        check_numbers(file, tensors, layers)
        size = os.fstat(file.fileno()).st_size
    return FileFacts(
        name=name or path.stem,
        path=str(path),
        sha256=sha256_of(path),
        bytes=size,
        layout=describe_layout(tensors)[:SHOWN_LAYOUTS],
        tensors=len(tensors),
        layers=len({module for layer in layers for module in layer.modules if module in linears}),
        model_layers=len(linears),
        kinds=tuple(sorted({kind.value for layer in layers for kind in layer.kinds})),
        rank=max(layer.rank for layer in layers),
        proposals=proposals_of(metadata),
    )


def proposed_sidecar(proposals: Proposals, locale: str) -> str:
    """Return a sidecar that states nothing: the trainer's words are comments, for the host to decide."""
    proposed = {
        "titles.en": proposals.title[:MAX_TITLE], "trigger": proposals.trigger, "base": proposals.base
    }  # fmt: skip
    lines = [
        f"# {field} = {json.dumps(value, ensure_ascii=False)}" for field, value in proposed.items() if value
    ]
    first = text(N_("The file proposes these lines. Remove the # before one to make it count."), locale)
    return "\n".join([f"# {first}", *lines, ""]) if lines else ""


def print_facts(
    out: Screen, facts: FileFacts, locale: str, *, as_json: bool, file: LoraFile | None = None
) -> None:
    """Print what a file holds; of a file of the shelf also what its sidecar states."""
    if as_json:
        stated = {} if file is None else {"sidecar": _plain(asdict(file.sidecar))}
        print_json(out, asdict(facts) | stated)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for label, value in (*_measured(facts), *(_stated(file.sidecar, locale) if file else ())):
        if value:
            add_row(table, (text(label, locale), value))
    out.print(table)


def print_json(out: Screen, values: Mapping[str, object]) -> None:
    """Print values for scripts, in ASCII."""
    out.print_line(json.dumps(values, ensure_ascii=True, indent=2))


def _measured(facts: FileFacts) -> list[tuple[str, str]]:
    return [
        (N_("LoRA"), facts.name),
        (N_("file"), facts.path),
        ("sha256", facts.sha256),
        ("MiB", in_mib(facts.bytes)),
        (N_("rank"), str(facts.rank)),
        (N_("kinds"), ", ".join(facts.kinds)),
        (N_("layout"), ", ".join(facts.layout)),
        (N_("tensors, all in use"), str(facts.tensors)),
        (N_("changed layers"), f"{facts.layers} / {facts.model_layers}"),
        (N_("title, by its trainer"), facts.proposals.title),
        (N_("trigger, by its trainer"), facts.proposals.trigger),
        (N_("base model, by its trainer"), facts.proposals.base),
    ]


def _stated(sidecar: Sidecar, locale: str) -> list[tuple[str, str]]:
    """Return what the sidecar states, by the names of its fields."""
    usual = _plain(asdict(Sidecar()))
    rows = [(N_("title"), title_of(sidecar.titles, locale))]
    for name, value in _plain(asdict(sidecar)).items():
        if name == "helpers":
            value = [f"{helper.name}:{helper.weight:g}" for helper in sidecar.helpers]
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        label = "sha256 (pin)" if name == "sha256" else name
        if name != "titles" and (name == "weight" or value != usual.get(name)):
            rows.append((label, shown))
    return rows


def _plain(sidecar: dict[str, object]) -> dict[str, object]:
    """Return a sidecar in values of JSON; the moment of its end as text."""
    plain = {name: sorted(each) if isinstance(each, frozenset) else each for name, each in sidecar.items()}
    expires_ms = plain.pop("expires_ms")
    if isinstance(expires_ms, int):
        plain["expires"] = datetime.fromtimestamp(expires_ms / 1_000, UTC).isoformat()
    return plain
