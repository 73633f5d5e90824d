"""The bank converts each LoRA once and never changes the base weights."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from structlog.testing import capture_logs

from engine.demo.networks import WEIGHTS
from engine.errors import LoraDamaged, LoraMissing
from engine.lora import bank as bank_module
from engine.lora.adapter import Adapter, convert
from engine.lora.bank import AdapterCache, Bank
from engine.lora.file_reader import read_tensors
from engine.lora.finder import FoundFile
from engine.lora.formats import normalise
from engine.lora.merger import Merger, group_of
from engine.lora.patches import NO_PATCHES, MergedPatch, SidePatch
from engine.lora.updates import FileUpdates, LowRank, Update
from engine.request import LoraChoice
from engine.zimage.device import choose_placement
from engine.zimage.forward.forward import Forward
from engine.zimage.model_loader import load_pipeline
from tests.fakes.lora_files.found import finder_of, found
from tests.integration.pipeline.reference import random_lora

SWITCHES = 1000
NO_BASE: Callable[[str], torch.Tensor] = {}.__getitem__  # pairs need no base weight


@pytest.fixture(scope="module")
def forward() -> Forward:
    return Forward(load_pipeline(WEIGHTS, choose_placement("cpu")).transformer)


@pytest.fixture
def choices(forward: Forward, tmp_path: Path) -> list[LoraChoice]:
    """Two LoRAs of one block's layers, and one of every layer."""
    chosen = []
    for seed, only in enumerate(["layers.0.attention.to_q", "layers.0.", ""]):
        path = tmp_path / f"{seed}.safetensors"
        save_file(random_lora(forward, seed, 3, only), path)
        chosen.append(LoraChoice(path.stem, hashlib.sha256(path.read_bytes()).hexdigest(), 0.7))
    return chosen


@pytest.fixture
def bank(forward: Forward, choices: list[LoraChoice], tmp_path: Path) -> Bank:
    paths = (tmp_path / f"{choice.name}.safetensors" for choice in choices)
    return Bank(forward.weights.matrices, finder_of(tmp_path, paths))


def copy_of(forward: Forward) -> dict[str, torch.Tensor]:
    return {name: layer.weight.clone() for name, layer in forward.weights.layers.items()}


def merged_weights(bank: Bank, choices: list[LoraChoice]) -> dict[str, torch.Tensor]:
    patches = bank.patches([bank.stack(choices)])
    weights = {}
    for name, patch in patches.layers.items():
        assert isinstance(patch, MergedPatch)
        patches.ensure_merged(group_of(name))
        weights[name] = patch.weight
    return weights


def test_a_thousand_switches_leave_the_base_and_each_lora_bit_for_bit(
    forward: Forward, bank: Bank, choices: list[LoraChoice]
) -> None:
    base = copy_of(forward)
    first, second = ([choices[0]], [choices[1]])
    before = {name: weight.clone() for name, weight in merged_weights(bank, first).items()}
    for switch in range(SWITCHES):
        merged_weights(bank, (second, first)[switch % 2])
    after = merged_weights(bank, first)
    assert before.keys() == after.keys() == {"layers.0.attention.qkv"}
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(torch.equal(layer.weight, base[name]) for name, layer in forward.weights.layers.items())


def test_the_merged_copy_keeps_its_addresses(bank: Bank, choices: list[LoraChoice]) -> None:
    places = [
        merged_weights(bank, [choice])["layers.0.attention.qkv"].data_ptr()
        for choice in [*choices, choices[0]]
    ]
    assert len(set(places)) == 1


def test_parts_that_a_lora_does_not_change_equal_the_base_after_another_lora(
    forward: Forward, bank: Bank, choices: list[LoraChoice]
) -> None:
    merged_weights(bank, [choices[1]])
    only_queries = merged_weights(bank, [choices[0]])["layers.0.attention.qkv"]
    base = forward.weights.layers["layers.0.attention.qkv"].weight
    width = base.shape[1]
    assert not torch.equal(only_queries[:width], base[:width])
    assert torch.equal(only_queries[width:], base[width:])


def test_the_same_stack_again_is_not_merged_again(
    bank: Bank, choices: list[LoraChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = merged_weights(bank, choices)

    def refuse(*args: object) -> None:
        raise AssertionError("Merged again.")

    monkeypatch.setattr(Merger, "merge", refuse)
    assert merged_weights(bank, choices).keys() == expected.keys()


def test_a_stack_larger_than_the_cache_is_not_merged_again(
    forward: Forward, bank: Bank, choices: list[LoraChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Bank(forward.weights.matrices, bank._finder, cache_bytes=1)
    expected = merged_weights(small, choices)

    def refuse(*args: object) -> None:
        raise AssertionError("Merged again.")

    monkeypatch.setattr(Merger, "merge", refuse)
    assert merged_weights(small, choices).keys() == expected.keys()
    monkeypatch.undo()
    merged_weights(small, choices[:1])
    assert set(small._in_use) == {choices[0].sha256}  # nothing keeps the others


def test_a_failed_merge_is_repeated_by_the_next_job_with_these_loras(
    bank: Bank, choices: list[LoraChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {name: weight.clone() for name, weight in merged_weights(bank, choices[2:]).items()}
    merged_weights(bank, choices[:1])
    for copy in bank._merger._copies.values():
        copy.weight.fill_(float("nan"))
    real_writer, tries = bank._merger._writer, []

    def fail_once(*args: Any) -> Any:
        write = real_writer(*args)

        def writing(names: Any) -> None:
            tries.append(names)
            if len(tries) == 3:
                raise RuntimeError("no such compiler")
            write(names)

        return writing

    monkeypatch.setattr(bank._merger, "_writer", fail_once)
    with pytest.raises(RuntimeError):
        merged_weights(bank, choices[2:])
    found = merged_weights(bank, choices[2:])
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


def file_of(pairs: Mapping[str, LowRank]) -> FileUpdates:
    return FileUpdates({module: Update((pair,)) for module, pair in pairs.items()})


def test_a_lora_is_one_block_of_memory(bank: Bank, choices: list[LoraChoice]) -> None:
    ((adapter, strength),) = bank.stack(choices[2:])
    matrices = [matrix for pair in adapter.pairs.values() for matrix in (pair.down, pair.up)]
    assert {matrix.untyped_storage().data_ptr() for matrix in matrices} == {
        adapter.block.untyped_storage().data_ptr()
    }
    assert sum(matrix.nbytes for matrix in matrices) == adapter.block.nbytes
    assert adapter.block.data_ptr() == min(matrix.data_ptr() for matrix in matrices)
    assert strength == 0.7


def test_a_lora_in_another_number_format_is_converted_into_one_block(bank: Bank) -> None:
    pairs = {name: LowRank(torch.ones(2, 3) * number, torch.ones(4, 2)) for number, name in enumerate("ab")}
    adapter = convert(file_of(pairs), torch.bfloat16, NO_BASE, is_pinned=False)
    assert (adapter.block.dtype, adapter.block.nbytes) == (torch.bfloat16, 2 * 2 * (6 + 8))
    moved = adapter.on(torch.device("meta"))
    assert {name: pair.up.shape for name, pair in moved.pairs.items()} == dict.fromkeys("ab", (4, 2))
    places = [pair.down.storage_offset() for pair in moved.pairs.values()]
    assert places == [pair.down.storage_offset() for pair in adapter.pairs.values()]


def test_a_lora_that_is_not_finite_in_the_models_number_format_is_refused() -> None:
    pairs = {name: LowRank(torch.ones(2, 3), torch.ones(4, 2)) for name in "ab"}
    pairs["b"].up[1, 1] = 3.4e38  # the greatest of bfloat16 is 3.39e38
    with pytest.raises(LoraDamaged) as caught:
        convert(file_of(pairs), torch.bfloat16, NO_BASE, is_pinned=False)
    assert caught.value.facts == {"why": "not_finite", "found": ("b",)}


def test_pinned_memory_counts_as_the_power_of_two_that_torch_allocates() -> None:
    class BlockWeights:
        """Any amount of memory, without allocating it."""

        def __init__(self, *, is_pinned: bool) -> None:
            self.is_pinned = lambda: is_pinned

        def untyped_storage(self) -> Any:
            return SimpleNamespace(nbytes=lambda: 159_000_000)

    pinned, other = (Adapter({}, BlockWeights(is_pinned=each)) for each in (True, False))  # type: ignore[arg-type]
    assert (pinned.held_bytes, other.held_bytes) == (256 * 2**20, 159_000_000)
    for adapter, fitting in ((pinned, 4), (other, 6)):
        cache = AdapterCache(2**30)
        for number in range(8):
            cache.put(str(number), adapter)
        assert list(cache._entries) == [str(number) for number in range(8)][-fitting:]


def test_a_file_in_the_models_format_is_not_copied(bank: Bank, choices: list[LoraChoice]) -> None:
    ((adapter, _),) = bank.stack(choices[2:])
    again = convert(file_of(adapter.pairs), adapter.block.dtype, NO_BASE, is_pinned=False)
    assert again.block.data_ptr() == adapter.block.data_ptr()


@pytest.mark.parametrize("alpha", [3.0, 6.0, None], ids=["of no effect", "twice", "none"])
def test_alphas_in_between_do_not_misalign_matrices(tmp_path: Path, alpha: float | None) -> None:
    """As trainers write them: an alpha of two bytes before each pair."""
    modules = ("layers.0.attention.to_q", "layers.0.attention.to_k", "layers.1.attention.to_q")
    tensors = {}
    for module in modules:
        name = f"lora_unet_{module.replace('.', '_')}"
        tensors[f"{name}.lora_down.weight"] = torch.randn(3, 256).bfloat16()
        tensors[f"{name}.lora_up.weight"] = torch.randn(256, 3).bfloat16()
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha).bfloat16()
    path = tmp_path / "kohya.safetensors"
    save_file(tensors, path)
    choice = LoraChoice("kohya", hashlib.sha256(path.read_bytes()).hexdigest(), 1.0)
    shapes = dict.fromkeys(modules, (256, 256))
    adapter = read_tensors(
        found(path),
        choice,
        lambda read, _: convert(normalise(read, shapes), torch.bfloat16, NO_BASE, is_pinned=False),
    )
    start = adapter.block.storage_offset()
    for module, pair in adapter.pairs.items():
        own = tensors[f"lora_unet_{module.replace('.', '_')}.lora_up.weight"]
        assert torch.allclose(pair.up.float(), own.float() * (1.0 if alpha is None else alpha / 3))
        for matrix in (pair.down, pair.up):
            assert (matrix.storage_offset() - start) * matrix.itemsize % 16 == 0


def test_the_kind_of_patch_follows_from_the_rows(bank: Bank, choices: list[LoraChoice]) -> None:
    one, other = (bank.stack([choice]) for choice in choices[:2])
    for stacks, way in [([one, one], MergedPatch), ([one, other], SidePatch)]:
        assert {type(patch) for patch in bank.patches(stacks).layers.values()} == {way}
    assert bank.patches([(), ()]).layers == NO_PATCHES.layers


def test_without_memory_for_a_merged_copy_loras_use_the_side_path_and_one_warning_is_logged(
    bank: Bank, choices: list[LoraChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Merger, stack: Any) -> None:
        self._copies["layers.0.attention.qkv"] = torch.zeros(1)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")

    monkeypatch.setattr(Merger, "merge", fail)
    stack = bank.stack(choices)
    with capture_logs() as logs:
        for _ in range(2):
            patches = bank.patches([stack])
            assert {type(patch) for patch in patches.layers.values()} == {SidePatch}
    assert [line["reason"] for line in logs] == ["CUDA out of memory. Tried to allocate 2 GiB."]
    assert not bank._merger.nbytes


def test_prefetching_converts_each_lora_once_even_for_two_threads(
    bank: Bank, choices: list[LoraChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real_read = bank_module.read_tensors

    def slow_read(file: FoundFile, choice: LoraChoice, use: Any, *, is_pinned: bool) -> Any:
        read.append(choice.name)
        started.set()
        may_go_on.wait(30)
        return real_read(file, choice, use, is_pinned=is_pinned)

    started, may_go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(bank_module, "read_tensors", slow_read)
    ahead = threading.Thread(target=bank.prepare, args=[choices])
    ahead.start()
    started.wait(30)
    threading.Timer(0.05, may_go_on.set).start()
    assert len(bank.stack(choices)) == 3
    ahead.join(30)
    assert sorted(read) == sorted(choice.name for choice in choices)


def test_prefetching_stops_before_it_evicts_the_loras_needed_first(
    forward: Forward, bank: Bank, choices: list[LoraChoice]
) -> None:
    whole = choices[2]  # much larger than the other two
    [(adapter, _)] = bank.stack([whole])
    small = Bank(forward.weights.matrices, bank._finder, cache_bytes=adapter.block.nbytes)
    small.prepare([whole, *choices[:2]])
    assert list(small._in_memory._entries) == [whole.sha256]
    small.prepare([*choices[:2], LoraChoice("gone", "f" * 64)])  # what cannot be read is passed over
    assert {choice.sha256 for choice in choices[:2]} <= small._in_memory._entries.keys()


def test_a_withdrawn_lora_is_forgotten_everywhere_and_refused_until_it_is_restored(
    bank: Bank, choices: list[LoraChoice]
) -> None:
    one, other = choices[:2]
    kept = merged_weights(bank, [one])
    bank.prepare([other])
    assert bank._in_memory.get(one.sha256) is not None
    bank.withdraw(frozenset({one.sha256}))
    assert bank._in_memory.get(one.sha256) is None
    assert bank._in_memory.get(other.sha256) is not None
    assert bank._merged[0] is not None  # a job may be drawn with it just now
    bank.forget_withdrawn()
    assert bank._merged == (None, NO_PATCHES)
    assert bank.copy_held_bytes == 0
    with pytest.raises(LoraMissing) as caught:
        bank.stack([one])
    assert caught.value.facts["name"] == one.name
    bank.prepare([one])
    assert bank._in_memory.get(one.sha256) is None
    bank.withdraw(frozenset())
    again = merged_weights(bank, [one])
    assert all(torch.equal(again[name], weight) for name, weight in kept.items())


def test_merged_weights_of_other_loras_stay(bank: Bank, choices: list[LoraChoice]) -> None:
    merged_weights(bank, [choices[1]])
    merged = bank._merged
    bank.stack([choices[0]])
    bank.withdraw(frozenset({choices[0].sha256}))
    bank.forget_withdrawn()
    assert bank._merged is merged


def test_a_lora_that_is_withdrawn_while_it_is_read_is_not_kept(
    bank: Bank, choices: list[LoraChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = bank._read

    def withdraw_meanwhile(choice: LoraChoice) -> Adapter:
        adapter = read(choice)
        bank.withdraw(frozenset({choice.sha256}))
        return adapter

    monkeypatch.setattr(bank, "_read", withdraw_meanwhile)
    bank.prepare([choices[0]])
    assert bank._in_memory.get(choices[0].sha256) is None
