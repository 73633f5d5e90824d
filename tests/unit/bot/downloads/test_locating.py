"""What the sites say about their files."""

import json
from dataclasses import replace

import pytest

from bot.downloads import SiteName, public_sites
from bot.downloads.links import CivitaiVersion, RepositoryFile
from bot.downloads.locating import (
    civitai_file,
    civitai_page,
    hub_file,
    modelscope_file,
    modelscope_listing,
    safe_name,
)
from bot.errors import DownloadFailed, DownloadMissing, NotSafetensors

SITES = public_sites({})
CIVITAI, MODELSCOPE = SITES[SiteName.CIVITAI], SITES[SiteName.MODELSCOPE]
HASH = "A" * 64


def version_of(*files: dict[str, object]) -> dict[str, object]:
    return {"id": 34, "files": list(files)}


@pytest.mark.parametrize("name", ["My Face v1.0.safetensors", "甜妹.SAFETENSORS", "sub/a.safetensors"])
def test_a_downloaded_name_is_kept(name: str) -> None:
    assert safe_name(name) == name.rpartition("/")[2]


@pytest.mark.parametrize(
    "name",
    [
        "a.ckpt",
        "a.safetensors.exe",
        ".safetensors",
        ".a.safetensors",
        "a\\b.safetensors",
        "a\n.safetensors",
        "a:b.safetensors",
        "\u202ea.safetensors",
        "a/",
        "",
        "..",
        "x" * 300 + ".safetensors",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(NotSafetensors):
        safe_name(name)


def test_the_hub_serves_a_file_at_its_revision() -> None:
    link = RepositoryFile(SiteName.HUB, "o/n", "main", "sub/My Face.safetensors")
    file = hub_file(link, SITES[SiteName.HUB])
    assert str(file.url) == "https://huggingface.co/o/n/resolve/main/sub/My%20Face.safetensors"
    assert file.name == "My Face.safetensors"
    proposed = hub_file(replace(link, revision="refs/pr/1"), SITES[SiteName.HUB])
    assert str(proposed.url) == "https://huggingface.co/o/n/resolve/refs%2Fpr%2F1/sub/My%20Face.safetensors"


def test_modelscope_lists_size_and_hash() -> None:
    link = RepositoryFile(SiteName.MODELSCOPE, "o/n", "master", "sub/a&b.safetensors")
    listing = modelscope_listing(link, MODELSCOPE)
    assert dict(listing.query) == {"Revision": "master", "Root": "sub"}
    page = {"Data": {"Files": [{"Path": "sub/a&b.safetensors", "Size": 7, "Sha256": HASH}]}}
    file = modelscope_file(link, MODELSCOPE, json.dumps(page).encode())
    assert (file.bytes, file.sha256) == (7, HASH.lower())
    assert dict(file.url.query) == {"Revision": "master", "FilePath": "sub/a&b.safetensors"}
    with pytest.raises(DownloadMissing):
        modelscope_file(link, MODELSCOPE, b'{"Data": {"Files": []}}')
    with pytest.raises(DownloadFailed):
        modelscope_file(link, MODELSCOPE, b"<html>")


def test_civitai_names_the_primary_file_of_the_newest_version() -> None:
    link = CivitaiVersion(12, 0)
    assert str(civitai_page(link, CIVITAI)) == "https://civitai.com/api/v1/models/12"
    version = version_of(
        {"name": "training.zip", "primary": False},
        {"name": "Face.safetensors", "primary": True, "hashes": {"SHA256": HASH}},
    )
    page = {"modelVersions": [version, {"id": 1}]}
    file = civitai_file(link, CIVITAI, json.dumps(page).encode())
    assert str(file.url) == "https://civitai.com/api/download/models/34"
    assert (file.name, file.sha256) == ("Face.safetensors", HASH.lower())


def test_civitai_without_a_safetensors_file_has_nothing_for_us() -> None:
    link = CivitaiVersion(0, 34)
    assert str(civitai_page(link, CIVITAI)).endswith("/model-versions/34")
    with pytest.raises(DownloadMissing):
        civitai_file(link, CIVITAI, json.dumps(version_of({"name": "a.pt", "primary": True})).encode())
    with pytest.raises(DownloadFailed):
        civitai_file(link, CIVITAI, b"[]")
    hostile = version_of({"name": "../../a.safetensors", "primary": True})
    with pytest.raises(NotSafetensors):
        civitai_file(link, CIVITAI, json.dumps(version_of({"name": "..\\a.safetensors"})).encode())
    assert civitai_file(link, CIVITAI, json.dumps(hostile).encode()).name == "a.safetensors"
