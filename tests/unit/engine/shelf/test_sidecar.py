"""Sidecars: what the host says about a LoRA."""

import contextlib
import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages import format_error
from bot.messages.details import translate_detail
from engine.errors import LoraSidecarRefused
from engine.shelf.sidecar import Helper, LoraKind, Sidecar, parse_sidecar, read_sidecar, remove_file

WHOLE = """
trigger = "Sugar面部"
weight = 0.8
least_weight = 0
most_weight = 1.2
steps = 4
kind = "face"
helpers = ["soft light", "faces/Patch v1.2:0.7"]
source = "https://example.org/sugar"
licence = "CC BY 4.0"
base = "Z-Image-Turbo"
depicts_person = true
consent = "The person agreed in writing."
owner = "discord:112233"
people = ["discord:1", "telegram:*"]
chats = ["telegram:-1001"]
expires = 2027-01-01
sha256 = "%s"

[titles]
en = "Sugar face"
zh-CN = "糖面部"
""" % ("0a" * 32)


def test_a_sidecar_states_everything() -> None:
    assert parse_sidecar(WHOLE.encode()) == Sidecar(
        titles={"en": "Sugar face", "zh-CN": "糖面部"},
        trigger="Sugar面部",
        weight=0.8,
        least_weight=0,
        most_weight=1.2,
        steps=4,
        kind=LoraKind.FACE,
        helpers=(Helper("soft light"), Helper("faces/Patch v1.2", 0.7)),
        source="https://example.org/sugar",
        licence="CC BY 4.0",
        base="Z-Image-Turbo",
        depicts_person=True,
        consent="The person agreed in writing.",
        owner="discord:112233",
        people=frozenset({"discord:1", "telegram:*"}),
        chats=frozenset({"telegram:-1001"}),
        expires_ms=1_798_761_600_000,
        sha256="0a" * 32,
    )


@pytest.mark.parametrize("page", ["docs/host-guide.md", "docs/host-guide.zh-CN.md"])
def test_the_example_in_the_guide_is_a_sidecar(page: str) -> None:
    text = Path(page).read_text(encoding="utf-8")
    example = next(part for part in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "trigger" in part)
    sidecar = parse_sidecar(example.encode())
    assert all(getattr(sidecar, field.name) for field in fields(Sidecar) if field.name != "least_weight")


def test_no_sidecar_states_nothing(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path / "sugar.safetensors") == Sidecar() == parse_sidecar(b"")


def test_a_weight_that_is_not_stated_is_within_the_limits() -> None:
    assert parse_sidecar(b"most_weight = 0.6").weight == 0.6


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("trigger =\n", "line 1 is not TOML"),
        ("a = " + "[" * 900, "it is not TOML"),
        (b"\xff", "it is not UTF-8"),
        ("#" * 65_537, "it has more than 65536 bytes"),
        ("a." * 1_001 + "a = 1", "it has more than 1000 times “.”"),
        ("a = [" + "1," * 4_001 + "]", "it has more than 4000 times “,”"),
        ("a = 1\n" * 1_001, "it has more than 1000 times “=”"),
        ("[a]\n" * 1_001, "it has more than 1000 times “[”"),
        ("titel = 'x'", "titel is not a field of a sidecar"),
        ('"a\\u007fb" = 1', "it has an unknown field"),
        ("titles = 'x'", "titles must be a table of texts of at most 80 characters by language"),
        ("titles.en = ''", "titles must be a table of texts of at most 80 characters by language"),
        ("titles.'../x' = 'x'", "titles must be a table of texts of at most 80 characters by language"),
        (f"titles.en = '{'x' * 81}'", "titles must be a table of texts of at most 80 characters by language"),
        (f"trigger = '{'x' * 201}'", "trigger must be a text of at most 200 characters"),
        ('source = "\\u202e"', "source must be a text of at most 200 characters"),
        ("weight = 2.01", "weight must be a number from -2 to 2"),
        ("weight = nan", "weight must be a number from -2 to 2"),
        ("weight = true", "weight must be a number from -2 to 2"),
        ("weight = '1'", "weight must be a number from -2 to 2"),
        ("least_weight = 1\nmost_weight = 0", "weight must be between least_weight and most_weight"),
        ("weight = 1\nmost_weight = 0.5", "weight must be between least_weight and most_weight"),
        ("steps = 0", "steps must be a whole number from 1 to 50"),
        ("steps = 4.0", "steps must be a whole number from 1 to 50"),
        ("kind = 'person'", "kind must be face, style or helper"),
        ("helpers = 'a'", "helpers must be a list of at most 8 names, each with or without :weight"),
        ("helpers = ['a:3']", "helpers must be a list of at most 8 names, each with or without :weight"),
        ("helpers = ['a:nan']", "helpers must be a list of at most 8 names, each with or without :weight"),
        ("helpers = ['../a']", "helpers must be a list of at most 8 names, each with or without :weight"),
        (f"helpers = {['a'] * 9}", "helpers must be a list of at most 8 names, each with or without :weight"),
        ("depicts_person = 1", "depicts_person must be true or false"),
        ("owner = 'discord:*'", "owner must be platform:id"),
        ("owner = 'discord:1\\n'", "owner must be platform:id"),
        ("people = ['a-member']", "people must be a list of at most 1000 times platform:id or platform:*"),
        ("chats = 'discord:1'", "chats must be a list of at most 1000 times platform:id or platform:*"),
        ("expires = 'soon'", "expires must be a date, or a time with its offset"),
        ("expires = 2027-01-01T00:00:00", "expires must be a date, or a time with its offset"),
        ("expires = 00:00:00", "expires must be a date, or a time with its offset"),
        ("sha256 = 'AA'", "sha256 must be 64 digits from 0 to f"),
        (
            "steps = 0\nkind = 1",
            "steps must be a whole number from 1 to 50 · kind must be face, style or helper",
        ),
    ],
)
def test_each_problem_has_its_sentence_in_both_languages(content: str | bytes, why: str) -> None:
    with pytest.raises(LoraSidecarRefused) as refused:
        parse_sidecar(content if isinstance(content, bytes) else content.encode())
    assert str(refused.value) == why
    assert why in format_error(refused.value, "en")
    for part in why.split(" · "):
        translated = translate_detail(part, "zh-CN")
        assert translated != part
        assert translated in format_error(refused.value, "zh-CN")


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_a_sidecar_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "sugar.toml"
    match kind:
        case "link":
            place.symlink_to(tmp_path / "nowhere")
        case "folder":
            place.mkdir()
        case _:
            os.mkfifo(place)
    with pytest.raises(LoraSidecarRefused, match="no regular file"):
        read_sidecar(tmp_path / "sugar.safetensors")


@given(st.text() | st.binary())
def test_no_content_raises_anything_else(content: str | bytes) -> None:
    with contextlib.suppress(LoraSidecarRefused):
        parse_sidecar(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)


def test_a_removed_file_leaves_the_sidecar_of_its_twin(tmp_path: Path) -> None:
    lower, upper = tmp_path / "a b.safetensors", tmp_path / "a b.SAFETENSORS"
    place = tmp_path / "a b.toml"
    for path in (lower, upper, place):
        path.write_bytes(b"")
    remove_file(lower)
    assert sorted(tmp_path.iterdir()) == [upper, place]  # without it, everybody might use the twin
    remove_file(upper)
    remove_file(upper)  # gone meanwhile
    assert list(tmp_path.iterdir()) == []
