"""Every file of the layouts' generator, in every way in which the worker applies it.

Each file goes from its bytes through the bank. What each layer then computes is compared with the dense
weights that the file's maker changed by its own mathematics. ``python -m tests.integration.pipeline.
test_lora_ways`` prints the table.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as nn
from safetensors.torch import save_file
from torch import Tensor

from engine.config import WeightFormat
from engine.eight_bit.formats import EIGHT_BIT, NO_LAYERS, EightBitFormat
from engine.eight_bit.quantise import dequantise, quantise
from engine.lora.adapter import LoraStack
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.lora.merger import group_of
from engine.lora.patches import Patches
from engine.request import LoraChoice
from engine.zimage.forward.forward import Forward
from engine.zimage.forward.modules import TransformerConfig, TransformerModules
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.weights import Layer
from engine.zimage.residency.lanes import HostLanes
from engine.zimage.residency.layout import block_layouts, eight_bit_layers
from engine.zimage.residency.sources import HostSource
from engine.zimage.residency.store import BlockStore
from tests.fakes.lora_files import other, plain
from tests.fakes.lora_files.found import source
from tests.fakes.lora_files.parts import LoraFileMade, Make, Model, Random

pytestmark = pytest.mark.slow

LIMIT = 1e-4  # relative error of a file's effect, in float32
TIES = 1e-2  # as in ``test_updates_rounded``
STRENGTH = 0.6
TOKENS = 5
SMALL = TransformerConfig(
    in_channels=4, dim=48, n_layers=2, n_refiner_layers=1, n_heads=4, n_kv_heads=4, cap_feat_dim=40,
    axes_dims=(4, 4, 4), axes_lens=(64, 64, 64),
)  # fmt: skip
FILES: dict[str, Make] = dict(plain.files()) | dict(other.files())


def small_transformer() -> TransformerModules:
    """A transformer with random numbers, the same each time."""
    modules = TransformerModules(SMALL).requires_grad_(False)
    random = Random(9)
    for parameter in modules.parameters():
        parameter.copy_(random(*parameter.shape))
    return modules


def model_of(modules: TransformerModules) -> Model:
    weights = {name: each.clone() for name, each in modules.named_parameters()}
    linears = {
        name.removesuffix(".weight"): (each.shape[0], each.shape[1])
        for name, each in weights.items()
        if name.endswith(".weight") and each.dim() == 2
    }
    return Model(linears, {name: len(each) for name, each in weights.items() if each.dim() == 1}, weights)


class Way:
    """One way to apply LoRAs.

    Args:
        resident_blocks: How many blocks of a base in main memory stay on the device; None for a base there.
        weight_format: Of the large layers.
        has_copy: Whether LoRAs are merged into a copy; else they are beside.
    """

    def __init__(
        self,
        resident_blocks: int | None = None,
        weight_format: WeightFormat = WeightFormat.BF16,
        *,
        has_copy: bool = True,
    ) -> None:
        modules, store = small_transformer(), None
        if resident_blocks is not None:
            weights = modules.state_dict()
            layouts = block_layouts({name: tuple(each.shape) for name, each in weights.items()})
            source = HostSource(layouts, torch.float32)
            for name, target in source.targets().items():
                target.copy_(weights[name])
            layers = eight_bit_layers(layouts, weight_format, is_card=False)
            store = BlockStore(source, torch.device("cpu"), HostLanes(), resident_blocks, layers)
        self.forward = Forward(modules, weight_format, store.places if store else None)
        self.eight_bit: EightBitFormat | None = EIGHT_BIT.get(weight_format)
        self.bank = Bank(
            self.forward.weights.matrices,
            LoraFinder([Path("/")]),
            eight_bit_layers=NO_LAYERS if store else self.forward.eight_bit_layers,
            blocks=store,
            vectors=self.forward.weights.vectors,
        )
        self.bank._copy_fits = has_copy

    def stack(self, path: Path, strength: float = STRENGTH) -> LoraStack:
        """A file as the bank reads it."""
        file = source(path)
        self.bank._finder.learn([file])
        return self.bank.stack([LoraChoice("face", file.sha256, strength)])


WAYS: dict[str, Callable[[], Way]] = {
    "merged": Way,
    "side path": lambda: Way(has_copy=False),
    "streamed": lambda: Way(0),
    "pinned": lambda: Way(2),
    **{
        f"{name} {weight_format}": lambda blocks=blocks, weight_format=weight_format: Way(
            blocks, weight_format
        )
        for name, blocks in (("merged", None), ("streamed", 0), ("pinned", 2))
        for weight_format in (WeightFormat.FP8, WeightFormat.INT8)
    },
}
MIXED = ("side path", "streamed", "pinned")  # ways in float32 with a base for rows of different LoRAs


@pytest.fixture(scope="module")
def ways() -> dict[str, Way]:
    torch.set_num_threads(1)
    return {name: make() for name, make in WAYS.items()}


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(small_transformer())


def saved(made: LoraFileMade, path: Path) -> Path:
    save_file({name: each.contiguous() for name, each in made.tensors.items()}, path, made.metadata or None)
    return path


def dense(model: Model, made: LoraFileMade | None, name: str) -> Tensor | None:
    """A parameter with the file's effect, float64; None if the model has none and gets none."""
    effect = None if made is None else made.effect.get(name)
    base = model.weights.get(name)
    if base is None:
        return None if effect is None else STRENGTH * effect
    return base.double() if effect is None else base.double() + STRENGTH * effect.view(base.shape)


@dataclass
class Layers:
    """The layers of one way with patches, in the order of their use.

    Attributes:
        parts: Layer → the library's layers in it → their rows.
    """

    way: Way
    patches: Patches

    def __iter__(self) -> Iterator[tuple[str, Layer, Mapping[str, slice]]]:
        weights = self.way.forward.weights.with_loras(self.patches)
        for name, layer in weights.layers.items():
            self.patches.ensure_merged(group_of(name))
            yield name, layer, weights.parts[name]


def output(model: Model, made: LoraFileMade | None, part: str, x: Tensor) -> Tensor:
    """What a layer with the file's effect computes, in float64."""
    weight, bias = (dense(model, made, f"{part}.{each}") for each in ("weight", "bias"))
    assert weight is not None
    return nn.linear(x.double(), weight, bias)


def error_of_layers(
    way: Way, model: Model, mades: Sequence[LoraFileMade | None], stacks: Sequence[LoraStack]
) -> float:
    """The largest error of what a layer computes for any row, in parts of what the row's file changes there.

    Without a change, it is the error in parts of the output.
    """
    random, worst = Random(5), 0.0
    rows = Rows([TOKENS + number for number in range(len(stacks))], torch.device("cpu"))
    for _, layer, parts in Layers(way, way.bank.patches(stacks)):
        x = random(sum(rows.lengths), layer.weight.shape[1])
        for row_x, row_found, made in zip(rows.split(x), rows.split(layer(x, rows)), mades, strict=True):
            for part, part_rows in parts.items():
                wanted, base = (output(model, each, part, row_x) for each in (made, None))
                is_changed = made is not None and {f"{part}.weight", f"{part}.bias"} & made.effect.keys()
                size = (wanted - base if is_changed else base).norm()
                worst = max(worst, float((row_found[:, part_rows] - wanted).norm() / size))
    return worst


def error_of_norms(way: Way, model: Model, made: LoraFileMade, stack: LoraStack) -> float:
    """The same of norms and pad tokens."""
    patches = way.bank.patches([stack])
    weights, worst = way.forward.weights, 0.0
    for name, vector in weights.vectors.items():
        found = patches.vectors.get(name, vector.base)
        for part, rows in vector.parts.items():
            if name not in weights.tensors:
                continue
            wanted = dense(model, made, part)
            assert wanted is not None
            change = (wanted - model.weights[part]).norm() or wanted.norm()
            worst = max(worst, float((found[rows].double().view(wanted.shape) - wanted).norm() / change))
    return worst


def wrong_eight_bit(way: Way, model: Model, made: LoraFileMade, stack: LoraStack) -> float:
    """The largest part of a layer's numbers that are not the nearest of the format to the dense ones."""
    worst = 0.0
    for name, layer, parts in Layers(way, way.bank.patches([stack])):
        wanted = torch.cat([dense(model, made, f"{part}.weight") for part in parts]).float()  # type: ignore[misc]
        if layer.scales is None:
            assert float((layer.weight - wanted).norm() / wanted.norm()) <= 1e-6
            continue
        assert way.eight_bit is not None
        nearest = quantise(wanted, way.eight_bit)
        torch.testing.assert_close(layer.scales, nearest.scales, rtol=1e-5, atol=0)
        worst = max(worst, float((layer.weight.float() != nearest.values.float()).float().mean()))
        step = nearest.scales * (1.0 if not way.eight_bit.dtype.is_floating_point else 448 / 8)
        error = (dequantise(layer.weight, layer.scales) - dequantise(nearest.values, nearest.scales)).norm()
        assert float(error) <= float(step.max()) * wanted.numel() ** 0.5, name
    return worst


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_its_effect_in_every_way(
    name: str, ways: dict[str, Way], model: Model, tmp_path: Path
) -> None:
    made = FILES[name](model)
    path = saved(made, tmp_path / "face.safetensors")
    for title, way in ways.items():
        stack = way.stack(path)
        if way.eight_bit is None:
            assert error_of_layers(way, model, [made], [stack]) <= LIMIT, title
            assert error_of_norms(way, model, made, stack) <= LIMIT, title
        else:
            assert wrong_eight_bit(way, model, made, stack) <= TIES, title


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_its_effect_in_a_batch_with_other_files(
    name: str, ways: dict[str, Way], model: Model, tmp_path: Path
) -> None:
    made, beside = FILES[name](model), FILES["fused attention.qkv"](model)
    one, two = saved(made, tmp_path / "one.safetensors"), saved(beside, tmp_path / "two.safetensors")
    for title in MIXED:
        way = ways[title]
        stacks = [way.stack(one), (), way.stack(two)]
        assert error_of_layers(way, model, [made, None, beside], stacks) <= LIMIT, title


def main(write: Callable[[str], object] = print) -> None:
    """Print the largest error of every way, and of each file."""
    model, every = model_of(small_transformer()), {name: make() for name, make in WAYS.items()}
    worst = dict.fromkeys(every, 0.0)
    beside = FILES["fused attention.qkv"](model)
    with tempfile.TemporaryDirectory() as folder:
        two = saved(beside, Path(folder) / "two.safetensors")
        for name, make in FILES.items():
            made = make(model)
            path = saved(made, Path(folder) / "face.safetensors")
            for title, way in every.items():
                stack = way.stack(path)
                if way.eight_bit is not None:
                    found = {title: wrong_eight_bit(way, model, made, stack)}
                else:
                    errors = (
                        error_of_layers(way, model, [made], [stack]),
                        error_of_norms(way, model, made, stack),
                    )
                    found = {title: max(errors)}
                if title in MIXED:
                    batch = [stack, (), way.stack(two)]
                    found[f"{title}, mixed"] = error_of_layers(way, model, [made, None, beside], batch)
                for each, error in found.items():
                    worst[each] = max(worst.get(each, 0.0), error)
            write(name)
    for title, error in worst.items():
        write(f"{title:20} {error:.1e}")


if __name__ == "__main__":
    main()
