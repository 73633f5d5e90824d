"""The shelf: names people type, and files that are what they say."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.messages import explain
from engine import errors
from engine import shelf as shelf_module
from engine.checkpoint.model import ModelInfo, read_model
from engine.shelf import Shelf, read_shelf
from tests.unit.engine.folders import LINEARS, lora_tensors, safetensors, write_model

FUSED = {"layers.0.attention.qkv": (24, 8), "layers.0.attention.out": (8, 8)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    return read_model(write_model(tmp_path_factory.mktemp("shelf") / "model"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loras").mkdir()
    return tmp_path / "loras"


def put(folder: Path, name: str = "sugar", content: bytes | None = None) -> Path:
    path = folder / f"{name}.safetensors"
    path.write_bytes(safetensors(lora_tensors()) if content is None else content)
    return path


def refusal(shelf: Shelf) -> errors.LoraRejected:
    assert not shelf.files
    (rejected,) = shelf.rejected
    return rejected.error


def test_a_lora_is_found_by_its_name_with_hash_and_rank(folder: Path, model: ModelInfo) -> None:
    path = put(folder)
    file = read_shelf([folder], model).files["sugar"]
    digest = subprocess.run(["sha256sum", path], capture_output=True, check=True).stdout.split()[0].decode()
    assert (file.path, file.sha256, file.bytes, file.rank) == (path, digest, path.stat().st_size, 2)
    assert (file.titles, file.trigger, file.weight) == ({}, "", 1.0)


@pytest.mark.parametrize(
    ("prefix", "down", "up"),
    [
        ("transformer.", ".lora_A.weight", ".lora_B.weight"),
        ("", ".lora_A.weight", ".lora_B.weight"),
        ("base_model.model.", ".lora_A.weight", ".lora_B.weight"),
        ("", ".lora_A.default.weight", ".lora_B.default.weight"),
        ("diffusion_model.", ".lora_A.weight", ".lora_B.weight"),
        ("diffusion_model.", ".lora_down.weight", ".lora_up.weight"),
    ],
)
def test_each_known_layout_is_accepted(
    folder: Path, model: ModelInfo, prefix: str, down: str, up: str
) -> None:
    tensors = lora_tensors(prefix, down, up)
    if down == ".lora_down.weight":
        tensors |= {f"{prefix}{module}.alpha": ("F32", ()) for module in LINEARS}
    put(folder, content=safetensors(tensors))
    assert read_shelf([folder], model).rejected == ()


def test_the_rank_of_a_file_is_its_largest_and_each_of_its_ranks_is_checked(
    folder: Path, model: ModelInfo
) -> None:
    modules = list(LINEARS)
    ranks = dict(zip(modules, [4, 1, 256, 2, 2, 2, 2], strict=True))
    put(folder, content=safetensors(mixed(ranks)))
    assert read_shelf([folder], model).files["sugar"].rank == 256
    for wrong, said, found in ((0, "0 to 256", "256"), (257, "1 to 257", "257")):
        put(folder, content=safetensors(mixed({**ranks, modules[3]: wrong})))
        refused = refusal(read_shelf([folder], model))
        assert type(refused) is errors.LoraUnsupported
        assert f"ranks are {said}, and 1 to 256 are allowed" in str(refused)
        assert refused.facts["found"] == (found,)


def mixed(ranks: dict[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The tensors of a LoRA that has a rank of its own for each module."""
    tensors = {}
    for module, rank in ranks.items():
        tensors |= lora_tensors(rank=rank, modules={module: LINEARS[module]})
    return tensors


def test_names_of_files_and_tensors_are_made_safe_for_a_terminal(folder: Path, model: ModelInfo) -> None:
    put(folder, "\x1b[2Jsugar")
    put(folder, "anime", safetensors({"\x1b]0;owned\x07.lora_A.weight": ("F32", (2, 2))}))
    with structlog.testing.capture_logs() as logs:
        shelf = read_shelf([folder], model)
    assert {rejected.name for rejected in shelf.rejected} == {r"\x1b[2Jsugar", "anime"}
    said = [str(logs), *(f"{each.name} {each.error} {each.error.facts}" for each in shelf.rejected)]
    said += [explain(each.error, "en") for each in shelf.rejected]
    assert "\x1b" not in "".join(said)
    assert "owned" in "".join(said)


def test_layouts_with_query_key_and_value_in_one_are_accepted(folder: Path, model: ModelInfo) -> None:
    put(folder, content=safetensors(lora_tensors("diffusion_model.", modules=FUSED)))
    kohya = {f"lora_unet_{module.replace('.', '_')}": shape for module, shape in FUSED.items()}
    put(folder, "kohya", safetensors(lora_tensors("", ".lora_down.weight", ".lora_up.weight", modules=kohya)))
    assert set(read_shelf([folder], model).files) == {"sugar", "kohya"}


def test_a_lora_that_changes_only_some_modules_is_accepted(folder: Path, model: ModelInfo) -> None:
    put(folder, content=safetensors(lora_tensors(modules={"layers.0.attention.to_q": (8, 8)})))
    assert "sugar" in read_shelf([folder], model).files


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("sugar", safetensors(lora_tensors())[:-1], errors.LoraTruncated),
        ("sugar", b"", errors.LoraTruncated),
        ("sugar", pickle.dumps({"a": 1}), errors.LoraPickled),
        ("sugar", b"PK\x03\x04 and so on", errors.LoraPickled),
        ("sugar", b"<html>not found</html>", errors.LoraDamaged),
        ("sugar", b"\xff" * 7 + b"\x7f{", errors.LoraTooLarge),
        ("Sugar", None, errors.LoraNameRefused),
        ("sugar面部", None, errors.LoraNameRefused),
        ("-sugar", None, errors.LoraNameRefused),
        ("sugar.v2", None, errors.LoraNameRefused),
        ("s" * 49, None, errors.LoraNameRefused),
        ("sugar", safetensors({}), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors(dtype="F8_E4M3")), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors(dtype="F64")), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors(rank=0)), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors(rank=257)), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors(down=".lokr_w1", up=".lokr_w2")), errors.LoraUnsupported),
        ("sugar", safetensors({"x.hada_w1_a": ("F32", (2, 2))}), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors() | {"a.dora_scale": ("F32", (8,))}), errors.LoraUnsupported),
        ("sugar", safetensors(dict(list(lora_tensors().items())[:-1])), errors.LoraUnsupported),
        (
            "sugar",
            safetensors(lora_tensors(modules={"down_blocks.0.to_q": (8, 8)})),
            errors.LoraForAnotherModel,
        ),
        ("sugar", safetensors(lora_tensors("lora_te_")), errors.LoraForAnotherModel),
        ("sugar", safetensors(lora_tensors(modules={"cap_embedder.1": (16, 4)})), errors.LoraForAnotherModel),
        ("sugar", safetensors(lora_tensors(modules={"cap_embedder.1": (8, 8)})), errors.LoraForAnotherModel),
    ],
)
def test_each_wrong_file_is_refused_for_its_own_reason(
    folder: Path, model: ModelInfo, name: str, content: bytes | None, error: type[errors.LoraRejected]
) -> None:
    put(folder, name, content)
    refused = refusal(read_shelf([folder], model))
    assert type(refused) is error
    assert refused.facts["name"] == name


def test_the_wrong_modules_are_named_but_not_all_of_them(folder: Path, model: ModelInfo) -> None:
    modules = {f"down_blocks.{number}.to_q": (8, 8) for number in range(70)}
    put(folder, content=safetensors(lora_tensors(modules=modules)))
    refused = refusal(read_shelf([folder], model))
    assert "down_blocks.0.to_q" in str(refused)
    assert "67 more" in str(refused)
    assert len(str(refused)) < 300


def test_of_three_wrong_modules_all_are_named_and_of_an_endless_name_its_beginning(
    folder: Path, model: ModelInfo
) -> None:
    modules = {f"down_blocks.{number}.{'x' * 100}": (8, 8) for number in range(3)}
    put(folder, content=safetensors(lora_tensors(modules=modules)))
    refused = refusal(read_shelf([folder], model))
    assert refused.facts["found"] == tuple(f"down_blocks.{number}.{'x' * 66}" for number in range(3))
    assert "more" not in str(refused)


def test_a_file_larger_than_a_gibibyte_is_refused_unread(folder: Path, model: ModelInfo) -> None:
    path = put(folder)
    os.truncate(path, 2**30 + 1)
    assert type(refusal(read_shelf([folder], model))) is errors.LoraTooLarge
    os.truncate(path, 2**30)  # that may be read, and is not what its header says
    assert type(refusal(read_shelf([folder], model))) is errors.LoraTruncated


@pytest.mark.parametrize(
    "make",
    [
        lambda path, outside: path.symlink_to(outside),
        lambda path, outside: path.mkdir(),
        lambda path, outside: os.mkfifo(path),
        lambda path, outside: path.symlink_to("/dev/zero"),
    ],
    ids=["link", "folder", "pipe", "device"],
)
def test_nothing_but_a_regular_file_of_the_folder_is_opened(
    folder: Path, model: ModelInfo, make: Callable[[Path, Path], object]
) -> None:
    outside = put(folder.parent, "outside")
    make(folder / "sugar.safetensors", outside)
    before = len(os.listdir("/proc/self/fd"))
    assert type(refusal(read_shelf([folder], model))) is errors.LoraNotAFile
    with pytest.raises(errors.LoraNotAFile):
        shelf_module.sha256_of(folder / "sugar.safetensors")
    assert len(os.listdir("/proc/self/fd")) <= before  # the shelf is read again and again


def test_a_wrong_file_harms_no_other(folder: Path, model: ModelInfo) -> None:
    put(folder)
    put(folder, "broken", b"")
    shelf = read_shelf([folder], model)
    assert list(shelf.files) == ["sugar"]
    assert [each.name for each in shelf.rejected] == ["broken"]


def test_of_two_folders_the_first_wins_and_missing_folders_are_empty(
    tmp_path: Path, model: ModelInfo
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    put(first)
    put(second, content=safetensors(lora_tensors(rank=4)))
    put(second, "anime")
    shelf = read_shelf([tmp_path / "nowhere", first, second], model)
    assert {name: file.path.parent for name, file in shelf.files.items()} == {"sugar": first, "anime": second}


def test_the_table_gives_titles_trigger_and_weight(folder: Path, model: ModelInfo) -> None:
    put(folder)
    (folder / "loras.toml").write_text(
        '[sugar]\ntitle.en = "Sugar face"\ntitle.zh-CN = "Sugar 面部"\ntrigger = "Sugar面部"\nweight = 0.8\n',
        encoding="utf-8",
    )
    file = read_shelf([folder], model).files["sugar"]
    assert file.titles == {"en": "Sugar face", "zh-CN": "Sugar 面部"}
    assert (file.trigger, file.weight) == ("Sugar面部", 0.8)


@pytest.mark.parametrize(
    "table",
    [
        b"[sugar",
        b"[sugar]\nweight = 3\n",
        b"[sugar]\nweight = nan\n",
        b"[sugar]\ntitel = 'typo'\n",
        b"sugar = 1\n",
        b"\xff\xfe",
    ],
)
def test_a_broken_table_is_told_and_the_loras_stay(folder: Path, model: ModelInfo, table: bytes) -> None:
    put(folder)
    (folder / "loras.toml").write_bytes(table)
    shelf = read_shelf([folder], model)
    assert list(shelf.files) == ["sugar"]
    (rejected,) = shelf.rejected
    assert rejected.name == "loras.toml"
    assert isinstance(rejected.error, errors.LoraTableRefused)


def test_the_hash_of_a_file_just_written_is_not_kept(folder: Path, model: ModelInfo) -> None:
    """A second write within the clock's tick would not show in its times."""
    path = put(folder)
    read_shelf([folder], model)
    assert shelf_module.known_sha256(path, path.stat()) is None


@pytest.mark.parametrize(("age_s", "is_kept"), [(1.9, False), (2.0, False), (2.1, True)])
def test_a_hash_is_kept_once_the_file_is_two_seconds_old(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch, age_s: float, is_kept: bool
) -> None:
    path = put(folder)
    now_ns = path.stat().st_ctime_ns + round(age_s * 10**9)
    monkeypatch.setattr(shelf_module.time, "time_ns", lambda: now_ns)
    read_shelf([folder], model)
    assert (shelf_module.known_sha256(path, path.stat()) is not None) is is_kept


def test_of_a_thousand_hashes_the_oldest_is_forgotten_for_a_new_one(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = {shelf_module._Stamp(Path(f"/{number}"), 1, 1, 1, 1): "" for number in range(1023)}
    monkeypatch.setattr(shelf_module, "_hashes", hashes)
    monkeypatch.setattr(shelf_module, "SETTLED_NS", 0)
    put(folder)
    read_shelf([folder], model)
    assert [stamp.path for stamp in hashes][:1] == [Path("/0")]
    put(folder, "anime")
    read_shelf([folder], model)
    assert len(hashes) == 1024
    assert [stamp.path for stamp in hashes][:1] == [Path("/1")]


def test_an_unchanged_file_is_not_hashed_again_and_a_changed_one_is(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    file_digest = shelf_module.hashlib.file_digest

    def counted(file: object, name: str) -> object:
        hashed.append(name)
        return file_digest(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(shelf_module.hashlib, "file_digest", counted)
    monkeypatch.setattr(shelf_module, "SETTLED_NS", 0)
    path = put(folder)
    before = read_shelf([folder], model).files["sugar"].sha256
    assert read_shelf([folder], model).files["sugar"].sha256 == before
    assert len(hashed) == 1
    path.write_bytes(safetensors(lora_tensors(), fill=b"\x02"))
    os.utime(path, ns=(1, 1))
    assert read_shelf([folder], model).files["sugar"].sha256 != before
    assert len(hashed) == 2


def test_a_file_swapped_between_check_and_hash_is_refused(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(folder)
    rank = shelf_module._rank

    def swap(*facts: object) -> int:
        path.unlink()
        put(folder, content=safetensors(lora_tensors(rank=4)))
        return rank(*facts)  # type: ignore[arg-type]

    monkeypatch.setattr(shelf_module, "_rank", swap)
    assert "changed while it was read" in str(refusal(read_shelf([folder], model)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(data=st.data())
def test_no_content_whatever_makes_the_shelf_fail(
    folder: Path, model: ModelInfo, data: st.DataObject
) -> None:
    content = bytearray(safetensors(lora_tensors()))
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    put(folder, content=bytes(content[: data.draw(st.integers(0, len(content)))]))
    shelf = read_shelf([folder], model)
    assert len(shelf.files) + len(shelf.rejected) == 1


def test_the_parent_side_never_loads_torch() -> None:
    code = (
        "import sys, engine.shelf, engine.checkpoint.model, engine.host, engine.scheduler; "
        "import engine.planner.headroom; "
        "sys.exit(bool({'torch', 'safetensors', 'diffusers'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
