"""The shelf: names that people type, and files that fit the model."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from bot.messages import format_error
from engine import errors
from engine.checkpoint.model import ModelInfo
from engine.request import LoraChoice
from engine.shelf import index, read_shelf, sources_of
from tests.unit.engine.folders import LINEARS, lora_tensors, safetensors
from tests.unit.engine.shelf.files import put, refusal


def test_a_lora_is_found_by_its_name_with_hash_and_rank(folder: Path, model: ModelInfo) -> None:
    path = put(folder)
    file = read_shelf([folder], model).files["sugar"]
    digest = subprocess.run(["sha256sum", path], capture_output=True, check=True).stdout.split()[0].decode()
    assert (file.path, file.sha256, file.bytes, file.rank) == (path, digest, path.stat().st_size, 2)
    assert (file.titles, file.trigger, file.weight) == ({}, "", 1.0)


def test_a_lora_counts_with_the_memory_of_its_updates_and_not_of_its_file(
    folder: Path, model: ModelInfo
) -> None:
    """A LoHa of rank 33 by 32 has no low-rank form of at most 1,024, so its difference itself is held."""
    (module, (out, into)), *_ = LINEARS.items()
    shapes = {"w1_a": (out, 33), "w1_b": (33, into), "w2_a": (out, 32), "w2_b": (32, into)}
    loha = {f"{module}.hada_{part}": ("BF16", shape) for part, shape in shapes.items()}
    put(folder, "low_rank", safetensors(lora_tensors(dtype="F32")))
    put(folder, "dense", safetensors(loha))
    files = read_shelf([folder], model).files
    assert files["dense"].held_bytes == 2 * out * into
    assert files["low_rank"].held_bytes == 2 * sum(2 * (rows + columns) for rows, columns in LINEARS.values())


def test_names_of_files_and_tensors_are_made_safe_for_a_terminal(folder: Path, model: ModelInfo) -> None:
    put(folder, "\x1b[2Jsugar")
    put(folder, "anime", safetensors({"\x1b]0;owned\x07.lora_A.weight": ("F32", (2, 2))}))
    shelf = read_shelf([folder], model)
    assert {rejected.name for rejected in shelf.rejected} == {r"\x1b[2Jsugar", "anime"}
    said = [f"{each.name} {each.error} {each.error.facts}" for each in shelf.rejected]
    said += [format_error(each.error, "en") for each in shelf.rejected]
    assert "\x1b" not in "".join(said)
    assert "owned" in "".join(said)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("sugar", safetensors(lora_tensors())[:-1], errors.LoraTruncated),
        ("sugar", b"", errors.LoraTruncated),
        ("sugar", pickle.dumps({"a": 1}), errors.LoraPickled),
        ("sugar", b"PK\x03\x04 and so on", errors.LoraPickled),
        ("sugar", b"<html>not found</html>", errors.LoraDamaged),
        ("sugar", b"\xff" * 7 + b"\x7f{", errors.LoraTooLarge),
        (" sugar", None, errors.LoraNameRefused),
        (".sugar", None, errors.LoraNameRefused),
        ("s" * 101, None, errors.LoraNameRefused),
        ("sugar", safetensors({}), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors(dtype="I64")), errors.LoraUnsupported),
        ("sugar", safetensors(lora_tensors(rank=0)), errors.LoraRankRefused),
        ("sugar", safetensors(lora_tensors(rank=1025)), errors.LoraRankRefused),
        ("sugar", safetensors(lora_tensors(down=".lokr_t1", up=".lokr_t2")), errors.LoraUnsupported),
        ("sugar", safetensors({"x.hada_w1_a": ("F32", (2, 2))}), errors.LoraForAnotherModel),
        ("sugar", safetensors(lora_tensors() | {"a.dora_scale": ("F32", (8,))}), errors.LoraForAnotherModel),
        ("sugar", safetensors(dict(list(lora_tensors().items())[:-1])), errors.LoraIncomplete),
        (
            "sugar",
            safetensors(lora_tensors(modules={"down_blocks.0.to_q": (8, 8)})),
            errors.LoraForAnotherModel,
        ),
        ("sugar", safetensors(lora_tensors("lora_te_")), errors.LoraForTextEncoder),
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


def test_a_wrong_file_affects_no_other(folder: Path, model: ModelInfo) -> None:
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


def test_the_sidecar_gives_titles_trigger_and_weight(folder: Path, model: ModelInfo) -> None:
    put(folder, "My LoRA v1.2")
    (folder / "My LoRA v1.2.toml").write_text(
        'titles.en = "Sugar face"\ntitles.zh-CN = "Sugar 面部"\ntrigger = "Sugar面部"\nweight = 0.8\n',
        encoding="utf-8",
    )
    shelf = read_shelf([folder], model)
    file = shelf.files["My LoRA v1.2"]
    assert file.titles == {"en": "Sugar face", "zh-CN": "Sugar 面部"}
    assert (file.trigger, file.weight) == ("Sugar面部", 0.8)
    assert not shelf.rejected


def test_a_broken_sidecar_refuses_its_own_lora_alone(folder: Path, model: ModelInfo) -> None:
    put(folder)
    put(folder, "anime")
    (folder / "anime.toml").write_text("people = 'discord:1'")
    shelf = read_shelf([folder], model)
    assert list(shelf.files) == ["sugar"]
    (rejected,) = shelf.rejected
    assert (rejected.name, type(rejected.error)) == ("anime", errors.LoraSidecarRefused)


def test_a_sidecar_beside_no_file_is_reported(folder: Path, model: ModelInfo) -> None:
    put(folder)
    (folder / "sub").mkdir()
    for name in ("loras.toml", "sub/loras.toml", "sugar2.toml", "sugar.toml"):
        (folder / name).write_text("")
    shelf = read_shelf([folder], model)
    assert list(shelf.files) == ["sugar"]
    assert {each.name: type(each.error) for each in shelf.rejected} == {
        "loras.toml": errors.LoraTableRefused,
        "sub/loras.toml": errors.LoraSidecarAlone,
        "sugar2.toml": errors.LoraSidecarAlone,
    }


def test_of_equal_names_the_first_counts_and_the_others_are_refused(tmp_path: Path, model: ModelInfo) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    put(first, "Sugar")
    put(first, "ｓｕｇａｒ")
    (put(second, "sugar")).rename(second / "sugar.SafeTensors")
    shelf = read_shelf([first, second], model)
    assert [file.path.parent for file in shelf.files.values()] == [first]
    assert [(each.name, each.error.facts["other"]) for each in shelf.rejected] == [
        ("ｓｕｇａｒ", "Sugar"),
        ("sugar", "Sugar"),
    ]
    assert [type(each.error) for each in shelf.rejected] == [errors.LoraNameShared, errors.LoraNameBuiltIn]


def test_a_pinned_file_is_refused_when_its_content_changes(folder: Path, model: ModelInfo) -> None:
    put(folder)
    sha256 = read_shelf([folder], model).files["sugar"].sha256
    (folder / "sugar.toml").write_text(f'sha256 = "{sha256}"')
    assert list(read_shelf([folder], model).files) == ["sugar"]
    put(folder, content=safetensors(lora_tensors(rank=4)))
    assert type(refusal(read_shelf([folder], model))) is errors.LoraPinBroken


def test_unchanged_files_are_taken_from_what_was_read_before(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[Path] = []
    read = index.read_sidecar

    def counted(path: Path) -> object:
        examined.append(path)
        return read(path)

    monkeypatch.setattr(index, "read_sidecar", counted)
    monkeypatch.setattr(index, "SETTLED_NS", -1)
    sugar, anime = put(folder), put(folder, "anime", content=safetensors(lora_tensors(rank=4)))
    before = read_shelf([folder], model)
    assert before.files["sugar"].stamp is not None
    assert len(examined) == 2
    again = read_shelf([folder], model, before=before)
    assert again.files == before.files
    assert len(examined) == 2
    sugar.with_suffix(".toml").write_text('trigger = "sugar"')
    changed = read_shelf([folder], model, before=again)
    assert changed.files["sugar"].trigger == "sugar"
    assert examined[2:] == [sugar]
    anime.write_bytes(b"")
    sugar.with_suffix(".toml").unlink()
    last = read_shelf([folder], model, before=changed)
    assert last.files["sugar"].trigger == ""
    assert list(last.files) == ["sugar"]
    assert examined[3:] == [anime, sugar]


def test_a_file_just_written_is_read_again(folder: Path, model: ModelInfo) -> None:
    """A second write within the clock's tick would not show in its times."""
    put(folder)
    file = read_shelf([folder], model).files["sugar"]
    assert (file.stamp, file.sidecar_stamp) == (None, None)


def test_sources_name_each_file_that_has_a_wanted_content(folder: Path, model: ModelInfo) -> None:
    one, other = put(folder), put(folder, "copy")
    put(folder, "anime", content=safetensors(lora_tensors(rank=4)))
    files = read_shelf([folder], model).files
    wanted = [LoraChoice("sugar", files["sugar"].sha256), LoraChoice("gone", "0" * 64)]
    assert {each.path for each in sources_of(files.values(), wanted)} == {one, other}


def test_a_file_swapped_between_check_and_hash_is_refused(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(folder)
    find = index.find_layers

    def swap(*facts: object) -> object:
        path.unlink()
        put(folder, content=safetensors(lora_tensors(rank=4)))
        return find(*facts)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "find_layers", swap)
    assert "changed while it was read" in str(refusal(read_shelf([folder], model)))


def test_a_disk_error_refuses_one_file_and_not_the_shelf(
    folder: Path, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder)

    def fail(*_: object) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(index, "hash_file", fail)
    refused = refusal(read_shelf([folder], model))
    assert type(refused) is errors.LoraNotAFile
    assert "Input/output error" in str(refused)
    monkeypatch.undo()
    monkeypatch.setattr(index, "read_sidecar", fail)
    assert type(refusal(read_shelf([folder], model))) is errors.LoraNotAFile


def test_the_parent_side_never_loads_torch() -> None:
    code = (
        "import sys, engine.shelf, engine.checkpoint.model, engine.host, engine.scheduler; "
        "import engine.planner.headroom; "
        "sys.exit(bool({'torch', 'safetensors', 'diffusers'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
