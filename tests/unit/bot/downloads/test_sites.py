"""Which hosts a site's files may come from, and who gets its token."""

import pytest
from pydantic import SecretStr
from yarl import URL

from bot.downloads import SiteName, public_sites
from bot.errors import DownloadRedirected

SITES = public_sites({SiteName.HUB: (SecretStr("hf_secret"), "huggingface.token")})


@pytest.mark.parametrize(
    ("site", "url"),
    [
        (SiteName.HUB, "https://huggingface.co/x"),
        (SiteName.HUB, "https://cdn-lfs-us-1.hf.co/x?Signature=a"),
        (SiteName.HUB, "https://cas-bridge.xethub.hf.co/x"),
        (SiteName.HUB, "https://us.aws.cdn.hf.co/x"),
        (SiteName.HUB, "https://cdn-lfs.huggingface.co/x"),
        (SiteName.MODELSCOPE, "https://cdn-lfs-cn-1.modelscope.cn/x"),
        (SiteName.CIVITAI, "https://b2.civitai.com/x"),
        (SiteName.CIVITAI, "https://civitai-delivery-worker-prod.5ac06.r2.cloudflarestorage.com/x"),
        (SiteName.DISCORD, "https://cdn.discordapp.com/attachments/1/2/a.safetensors?ex=1"),
    ],
)
def test_files_come_from_the_hosts_of_their_site(site: SiteName, url: str) -> None:
    SITES[site].require_own(URL(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://huggingface.co/x",
        "https://huggingface.co:444/x",
        "https://evil.example/x",
        "https://hf.co.evil.example/x",
        "https://evilhf.co/x",
        "https://user@huggingface.co/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://b2.civitai.com/x",
        "https://x.r2.cloudflarestorage.com/x",
        "file:///etc/passwd",
        "/x",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(DownloadRedirected):
        SITES[SiteName.HUB].require_own(URL(url))


def test_a_token_goes_to_its_own_site_alone() -> None:
    hub = SITES[SiteName.HUB]
    assert hub.headers(URL("https://huggingface.co/x"))["Authorization"] == "Bearer hf_secret"
    assert "Authorization" not in hub.headers(URL("https://cdn-lfs.hf.co/x"))
    assert "Authorization" not in SITES[SiteName.CIVITAI].headers(URL("https://civitai.com/x"))
    assert "hf_secret" not in repr(SITES)
