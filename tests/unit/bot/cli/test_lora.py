"""The shelf from the shell, with the built-in model and a folder of the host's own."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from bot.cli import lora
from bot.settings import Settings
from engine.shelf import Sidecar
from engine.shelf.sidecar import parse_sidecar
from tests.unit.engine.folders import lora_tensors, pack, safetensors

INK = Path("engine/demo/spare/ink.safetensors").resolve()
ANIME = Path("engine/demo/loras/anime.safetensors").resolve()
ESCAPE = "transformer.\x1b[2Jto_q.lora_A.weight"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    loras = tmp_path / "loras"
    loras.mkdir()
    return Settings(data_dir=tmp_path, language="en", engine={"lora_dir": loras})


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


def own_files(settings: Settings) -> list[str]:
    assert settings.engine.lora_dir is not None
    return sorted(path.name for path in settings.engine.lora_dir.iterdir())


async def test_a_good_file_is_checked_without_being_copied(
    settings: Settings, printed: Callable[[], str]
) -> None:
    assert await lora.check(settings, INK) == 0
    assert "Not checked: the trial picture" in printed()
    assert own_files(settings) == []


async def test_facts_are_also_json(settings: Settings, printed: Callable[[], str]) -> None:
    assert await lora.check(settings, INK, as_json=True) == 0
    facts = json.loads(printed())
    assert (facts["name"], facts["rank"], facts["layers"], facts["kinds"]) == ("ink", 12, 49, ["low_rank"])
    assert await lora.list_shelf(settings, as_json=True) == 0
    assert [file["name"] for file in json.loads(printed())["files"]] == ["anime", "realistic", "sugar"]


async def test_an_added_file_is_private_and_on_the_shelf(
    settings: Settings, printed: Callable[[], str]
) -> None:
    assert await lora.add(settings, INK, "pen") == 0
    assert own_files(settings) == ["pen.safetensors"]
    assert settings.engine.lora_dir is not None
    copy = settings.engine.lora_dir / "pen.safetensors"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert copy.read_bytes() == INK.read_bytes()
    assert await lora.info(settings, "PEN") == 0
    assert str(copy) in printed()


async def test_a_taken_name_stays_with_its_file(settings: Settings, printed: Callable[[], str]) -> None:
    await lora.add(settings, INK, "pen")
    assert await lora.add(settings, INK, "pen") == 1
    assert "already on the shelf" in printed()
    assert await lora.add(settings, INK, "sugar") == 1, "the built-in file of this name comes first"
    assert own_files(settings) == ["pen.safetensors"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "a\x1b[2J", "none\u202e"])
async def test_a_name_outside_the_folder_or_unprintable_is_refused(
    settings: Settings, printed: Callable[[], str], name: str, tmp_path: Path
) -> None:
    assert await lora.add(settings, INK, name) == 1
    assert own_files(settings) == []
    assert not (tmp_path / "outside.safetensors").exists()
    out = printed().splitlines()[-1]
    assert out.startswith("✗")
    assert "\x1b" not in out
    assert "\u202e" not in out


async def test_names_of_tensors_reach_the_terminal_without_escape_codes(
    settings: Settings, printed: Callable[[], str], tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors({ESCAPE: ("F32", (2, 2))}))
    for as_json in (False, True):
        assert await lora.check(settings, path, as_json=as_json) == 1
        out = printed()
        assert "\x1b" not in out
        assert "x1b[2J" in out
    assert await lora.add(settings, path, "") == 1
    assert own_files(settings) == []


async def test_numbers_are_read_before_a_file_is_copied(
    settings: Settings, printed: Callable[[], str], tmp_path: Path
) -> None:
    content = bytearray(INK.read_bytes())
    content[-2:] = b"\xff\xff"
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    assert await lora.add(settings, path, "") == 1
    assert "infinite or invalid" in printed()
    assert own_files(settings) == []


async def test_a_removed_file_leaves_with_its_sidecar(settings: Settings, printed: Callable[[], str]) -> None:
    assert settings.engine.lora_dir is not None
    await lora.add(settings, INK, "pen")
    (settings.engine.lora_dir / "pen.toml").write_text("")
    assert await lora.remove(settings, "pen") == 0
    assert own_files(settings) == []


async def test_a_refused_file_can_be_removed_and_a_built_in_one_stays(
    settings: Settings, printed: Callable[[], str], tmp_path: Path
) -> None:
    assert settings.engine.lora_dir is not None
    (settings.engine.lora_dir / "foreign.safetensors").write_bytes(safetensors(lora_tensors()))
    shutil.copy(INK, tmp_path / "ink.safetensors")
    with structlog.testing.capture_logs() as logs:
        assert await lora.list_shelf(settings) == 1
    assert logs == []  # the refusal is a sentence, and nothing else
    assert printed().count("foreign: ") == 1
    assert await lora.remove(settings, "foreign") == 0
    for name in ("sugar", "foreign", "../ink", "none"):
        assert await lora.remove(settings, name) == 1
    assert (tmp_path / "ink.safetensors").exists()
    assert await lora.list_shelf(settings) == 0


@pytest.mark.parametrize("name", ["face", "sugar"])
async def test_a_file_of_exactly_this_name_goes_before_one_with_a_similar_name(
    settings: Settings, printed: Callable[[], str], name: str
) -> None:
    assert settings.engine.lora_dir is not None
    for each in ("Face", name):
        shutil.copy(INK, settings.engine.lora_dir / f"{each}.safetensors")
    assert await lora.list_shelf(settings) == 1
    refusal = printed().splitlines()[-1].replace(f"{name}: ", "", 1)
    assert await lora.pin(settings, name) == 1, "what would be pinned is another file"
    assert printed() == f"{refusal}\n"
    assert await lora.info(settings, name) == int(name == "face"), "the LoRA in use is not this file"
    assert (printed() == f"{refusal}\n") is (name == "face")
    assert await lora.remove(settings, name) == 0
    assert own_files(settings) == ["Face.safetensors"]
    assert await lora.pin(settings, "face") == 0
    assert await lora.remove(settings, "face") == 0
    assert own_files(settings) == []


async def test_a_pinned_file_may_not_be_replaced(settings: Settings, printed: Callable[[], str]) -> None:
    assert settings.engine.lora_dir is not None
    await lora.add(settings, INK, "My pen v1.2")
    path = settings.engine.lora_dir / "My pen v1.2.safetensors"
    sidecar = settings.engine.lora_dir / "My pen v1.2.toml"
    sidecar.write_text('trigger = "ink"  # a word\n[titles]\nen = "Pen"\n')
    assert await lora.pin(settings, "my pen V1.2") == 0
    assert '[titles]\nen = "Pen"' in sidecar.read_text()
    assert await lora.list_shelf(settings) == 0
    path.write_bytes(ANIME.read_bytes())
    assert await lora.list_shelf(settings) == 1
    assert await lora.pin(settings, "My pen v1.2", is_off=True) == 0
    assert await lora.list_shelf(settings) == 0
    assert sidecar.read_text() == 'trigger = "ink"  # a word\n[titles]\nen = "Pen"\n'


async def test_a_sidecar_that_a_pin_would_spoil_stays(settings: Settings, printed: Callable[[], str]) -> None:
    assert settings.engine.lora_dir is not None
    await lora.add(settings, INK, "pen")
    sidecar = settings.engine.lora_dir / "pen.toml"
    content = 'consent = """\\\nsha256 = no key\\\n"""\n'
    sidecar.write_text(content)
    assert await lora.pin(settings, "pen") == 1
    assert sidecar.read_text() == content


async def test_a_built_in_lora_stays_as_it_is_and_keeps_its_name(
    settings: Settings, printed: Callable[[], str]
) -> None:
    assert await lora.pin(settings, "Sugar") == 1
    assert printed() == "“sugar” comes with the built-in model, so it can't be pinned.\n"
    assert await lora.remove(settings, "Sugar") == 1
    assert printed() == "“sugar” comes with the built-in model, so it can't be removed.\n"
    assert await lora.add(settings, INK, "Sugar") == 1
    refusal = "✗ “sugar” is the name of a built-in LoRA. Give the file “Sugar” another name.\n"
    assert printed() == refusal
    assert own_files(settings) == []
    assert settings.engine.lora_dir is not None
    shutil.copy(INK, settings.engine.lora_dir / "Sugar.safetensors")
    assert await lora.check(settings, settings.engine.lora_dir / "Sugar.safetensors") == 1
    assert printed() == refusal


async def test_everything_that_a_sidecar_states_is_shown(
    settings: Settings, printed: Callable[[], str]
) -> None:
    assert settings.engine.lora_dir is not None
    await lora.add(settings, INK, "pen")
    (settings.engine.lora_dir / "pen.toml").write_text(
        'trigger = "ink"\nhelpers = ["soft light:0.5"]\npeople = ["discord:2", "discord:1"]\n'
        'expires = 2027-01-01\ndepicts_person = true\n[titles]\nen = "Pen"\n'
    )
    printed()
    assert await lora.info(settings, "pen") == 0
    shown = printed()
    for part in (
        "Pen",
        "ink",
        "soft light:0.5",
        "discord:1, discord:2",
        "2027-01-01T00:00:00+00:00",
        "49 / ",
    ):
        assert part in shown
    assert "….lora_A.weight" in shown
    assert await lora.info(settings, "pen", as_json=True) == 0
    stated = json.loads(printed())["sidecar"]
    assert stated["helpers"] == [{"name": "soft light", "weight": 0.5}]
    assert (stated["people"], stated["expires"]) == (["discord:1", "discord:2"], "2027-01-01T00:00:00+00:00")


async def test_what_a_file_says_about_itself_is_only_proposed(
    settings: Settings, printed: Callable[[], str], tmp_path: Path
) -> None:
    content = INK.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = {
        "modelspec.title": "x" * 100 + '"\x1b[2J', "trigger_word": 'a "b" \\ \n[people]', "base_model": "Z"
    }  # fmt: skip
    path = tmp_path / "said.safetensors"
    path.write_bytes(pack(header, content[end:]))
    assert await lora.add(settings, path, "") == 0
    assert settings.engine.lora_dir is not None
    sidecar = settings.engine.lora_dir / "said.toml"
    assert parse_sidecar(sidecar.read_bytes()) == Sidecar()
    lines = sidecar.read_text().splitlines()[1:]
    stated = parse_sidecar("\n".join(line.removeprefix("# ") for line in lines).encode())
    assert (stated.titles, stated.base) == ({"en": "x" * 80}, "Z")
    assert stated.trigger == 'a "b" \\ \\n[people]'


async def test_a_refused_file_is_removed_whatever_its_suffix_and_folder(
    settings: Settings, printed: Callable[[], str]
) -> None:
    assert settings.engine.lora_dir is not None
    (settings.engine.lora_dir / "old").mkdir()
    (settings.engine.lora_dir / "old" / "bad v1.SAFETENSORS").write_bytes(b"")
    assert await lora.remove(settings, "old/bad v1") == 0
    assert await lora.list_shelf(settings) == 0


async def test_a_file_in_a_format_that_can_run_code_is_listed_with_the_reason_and_can_be_removed(
    settings: Settings, printed: Callable[[], str]
) -> None:
    assert settings.engine.lora_dir is not None
    (settings.engine.lora_dir / "x.ckpt").write_bytes(b"anything")
    refusal = (
        "The file of the LoRA “x.ckpt” is a pickle, which could run code. Get a safetensors file instead."
    )
    assert await lora.list_shelf(settings) == 1
    assert printed().splitlines()[-1] == f"✗ x.ckpt: {refusal}"
    assert await lora.info(settings, "x.ckpt") == 1
    assert await lora.check(settings, settings.engine.lora_dir / "x.ckpt") == 1
    assert printed().splitlines() == [f"✗ {refusal}"] * 2
    assert await lora.remove(settings, "x") == 1
    assert await lora.remove(settings, "x.ckpt") == 0
    assert own_files(settings) == []


async def test_a_file_that_is_not_there_is_named(
    settings: Settings, printed: Callable[[], str], tmp_path: Path
) -> None:
    missing = tmp_path / "misspelt.safetensors"
    assert await lora.check(settings, missing) == 1
    assert printed() == f"There is no file {missing}. Check its name.\n"
    assert await lora.add(settings, missing, "") == 1
    assert printed() == f"There is no file {missing}. Check its name.\n"


async def test_what_is_no_regular_file_is_called_so(
    settings: Settings, printed: Callable[[], str], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (Path("/dev/zero"), tmp_path / "folder", tmp_path / "pipe.safetensors"):
        for answered in (lora.check(settings, path), lora.add(settings, path, "")):
            assert await answered == 1
            assert printed() == (
                f"✗ “{path.stem}” is no regular file, but a folder, a device or a pipe. "
                "Use the .safetensors file itself.\n"
            )
    (tmp_path / "link.safetensors").symlink_to(INK)
    assert await lora.check(settings, tmp_path / "link.safetensors") == 1
    assert printed().startswith("✗ “link” is a link, or may not be read. Put the file itself")


@pytest.mark.parametrize(
    "content", [b'ower = "discord:1"\n', b"#" * 70_000, b"no toml", b'sha256 = "' + b"0" * 64 + b'"\n']
)
@pytest.mark.parametrize("is_in_folder", [True, False])
async def test_a_file_is_checked_with_its_sidecar(
    settings: Settings, printed: Callable[[], str], tmp_path: Path, content: bytes, is_in_folder: bool
) -> None:
    assert settings.engine.lora_dir is not None
    on_shelf = settings.engine.lora_dir / "typo.safetensors"
    for path in (on_shelf, tmp_path / on_shelf.name):
        shutil.copy(INK, path)
        path.with_suffix(".toml").write_bytes(content)
    assert await lora.list_shelf(settings) == 1
    sentence = printed().splitlines()[-1].replace("typo: ", "", 1)
    assert await lora.check(settings, on_shelf if is_in_folder else tmp_path / on_shelf.name) == 1
    assert printed() == f"{sentence}\n"


async def test_a_name_that_the_shelf_refuses_is_refused_by_the_check(
    settings: Settings, printed: Callable[[], str]
) -> None:
    assert settings.engine.lora_dir is not None
    names = ("Good", "good", "Sugar")
    for name in names:
        shutil.copy(INK, settings.engine.lora_dir / f"{name}.safetensors")
    codes = [await lora.check(settings, settings.engine.lora_dir / f"{name}.safetensors") for name in names]
    assert codes == [0, 1, 1]
    refusals = [line for line in printed().splitlines() if line.startswith("✗")]
    assert await lora.list_shelf(settings) == 1
    assert sorted(refusals) == sorted(
        f"✗ {line.split(': ', 1)[1]}" for line in printed().splitlines() if line.startswith("✗")
    )
