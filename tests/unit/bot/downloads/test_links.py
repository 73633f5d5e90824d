"""Links as people copy them, and links as attackers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.downloads import SiteName, read_link
from bot.downloads.links import CivitaiVersion, RepositoryFile
from bot.errors import LinkNotAllowed, LinkNotUnderstood

HUB = RepositoryFile(SiteName.HUB, "owner/My-Lora_1.0", "main", "sub/My Face v1.0.safetensors")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("https://huggingface.co/owner/My-Lora_1.0/blob/main/sub/My%20Face%20v1.0.safetensors", HUB),
        (" <https://huggingface.co/owner/My-Lora_1.0/resolve/main/sub/My Face v1.0.safetensors> ", HUB),
        ("https://HF.co/owner/My-Lora_1.0/resolve/main/sub/My%20Face%20v1.0.safetensors?download=true", HUB),
        (
            "https://huggingface.co/o/n/blob/refs%2Fpr%2F1/sub/a%20b.safetensors",
            RepositoryFile(SiteName.HUB, "o/n", "refs/pr/1", "sub/a b.safetensors"),
        ),
        ("hf:owner/My-Lora_1.0/sub/My Face v1.0.safetensors", HUB),
        ("hf://owner/My-Lora_1.0/sub/My Face v1.0.safetensors", HUB),
        (
            "https://www.modelscope.cn/models/o/n/file/view/master/a.safetensors?status=2",
            RepositoryFile(SiteName.MODELSCOPE, "o/n", "master", "a.safetensors"),
        ),
        (
            "https://modelscope.cn/models/o/n/resolve/v1/a.safetensors",
            RepositoryFile(SiteName.MODELSCOPE, "o/n", "v1", "a.safetensors"),
        ),
        (
            "modelscope:o/n/a.safetensors",
            RepositoryFile(SiteName.MODELSCOPE, "o/n", "master", "a.safetensors"),
        ),
        ("https://civitai.com/models/12/some-name?modelVersionId=34", CivitaiVersion(12, 34)),
        ("https://civitai.com/models/12", CivitaiVersion(12, 0)),
        ("https://civitai.com/api/download/models/34?type=Model", CivitaiVersion(0, 34)),
        ("civitai:12", CivitaiVersion(12, 0)),
        ("civitai:12@34", CivitaiVersion(12, 34)),
    ],
)
def test_a_link_names_a_file(typed: str, expected: object) -> None:
    assert read_link(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "https://evil.example/owner/name/resolve/main/a.safetensors",
        "https://huggingface.co.evil.example/o/n/resolve/main/a.safetensors",
        "https://huggingface.co@evil.example/o/n/resolve/main/a.safetensors",
        "https://user:pass@huggingface.co/o/n/resolve/main/a.safetensors",
        "https://huggingface.co:8443/o/n/resolve/main/a.safetensors",
        "https://127.0.0.1/o/n/resolve/main/a.safetensors",
        "https://[::1]/o/n/resolve/main/a.safetensors",
        "https://169.254.169.254/latest/meta-data",
        "https://datasets.huggingface.co/o/n/resolve/main/a.safetensors",
    ],
)
def test_a_link_elsewhere_is_refused_with_its_host(typed: str) -> None:
    with pytest.raises(LinkNotAllowed) as refused:
        read_link(typed)
    assert refused.value.facts["host"]
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "sugar",
        "file:///etc/passwd",
        "ftp://huggingface.co/o/n/resolve/main/a.safetensors",
        "https://huggingface.co/o/n",
        "https://huggingface.co/o/n/resolve/main/../../../api/whoami",
        "https://huggingface.co/o/n/resolve/main/%2e%2e/%2e%2e/a.safetensors",
        "https://huggingface.co/o/../resolve/main/a.safetensors",
        "https://huggingface.co/o/n/resolve/ma%0d%0ain/a.safetensors",
        "https://huggingface.co/o/n/resolve/../a.safetensors",
        "https://huggingface.co/o/n/resolve/%2e%2e%2fb/a.safetensors",
        "https://huggingface.co/o/n/resolve/main%3Fx/a.safetensors",
        "https://huggingface.co/o/n/resolve/main/a%00.safetensors",
        "https://civitai.com/models/abc",
        "civitai:1e9",
        "https://[::1",
        "https://huggingface.co:99999/x",
        "hf:o/n/" + "a" * 3000,
    ],
)
def test_other_text_is_no_link(typed: str) -> None:
    with pytest.raises(LinkNotUnderstood):
        read_link(typed)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(typed: str) -> None:
    for text in (typed, f"https://huggingface.co/{typed}", f"hf:{typed}", f"https://{typed}"):
        try:
            read_link(text)
        except (LinkNotAllowed, LinkNotUnderstood):
            continue
