"""The sites that LoRAs are downloaded from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr
from yarl import URL

from bot.errors import DownloadRedirected
from engine.formatting import printable


class SiteName(StrEnum):
    """The sites; the values are what people call them."""

    HUB = "Hugging Face"
    MODELSCOPE = "ModelScope"
    CIVITAI = "Civitai"
    DISCORD = "Discord"


@dataclass(frozen=True, slots=True)
class Site:
    """One site.

    Attributes:
        origin: Scheme, host and port of its API.
        hosts: Matches every other host that its files come from.
        token: Sent to ``origin`` alone; empty for none.
        setting: The setting that holds the token.
    """

    name: SiteName
    origin: URL
    hosts: re.Pattern[str]
    token: SecretStr
    setting: str

    def require_own(self, url: URL) -> None:
        """Return when a file of this site may come from ``url``.

        Raises:
            DownloadRedirected: Another scheme, port or host, or a name and password inside.
        """
        try:
            host, port = (url.raw_host or "").lower(), url.port
        except ValueError as error:  # the port is no number, or too large
            raise DownloadRedirected(host="") from error
        is_known = host == self.origin.host or self.hosts.fullmatch(host) is not None
        is_plain = url.raw_user is None and url.raw_password is None
        if not (is_known and is_plain and (url.scheme, port) == (self.origin.scheme, self.origin.port)):
            raise DownloadRedirected(host=printable(host))

    def headers(self, url: URL) -> dict[str, str]:
        """The headers of a request for ``url``."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "sugarbot"}
        if url.origin() == self.origin and (token := self.token.get_secret_value()):
            headers["Authorization"] = f"Bearer {token}"
        return headers


_SITES = (
    # Files of the Hub: cdn-lfs*.hf.co, cas-bridge.xethub.hf.co, *.cdn.hf.co, cdn-lfs.huggingface.co.
    (SiteName.HUB, "https://huggingface.co", r"(?:[a-z0-9-]+\.)+(?:hf\.co|huggingface\.co)"),
    (SiteName.MODELSCOPE, "https://www.modelscope.cn", r"(?:[a-z0-9-]+\.)*modelscope\.cn"),
    (
        SiteName.CIVITAI,
        "https://civitai.com",
        r"(?:[a-z0-9-]+\.)+civitai\.com"
        r"|civitai-delivery-worker-prod\.[0-9a-f]+\.r2\.cloudflarestorage\.com",
    ),
    (SiteName.DISCORD, "https://cdn.discordapp.com", r"media\.discordapp\.net"),
)


def public_sites(tokens: Mapping[SiteName, tuple[SecretStr, str]]) -> dict[SiteName, Site]:
    """Return the sites, with the token and its setting for those that have one."""
    return {
        name: Site(name, URL(origin), re.compile(hosts), *tokens.get(name, (SecretStr(""), "")))
        for name, origin, hosts in _SITES
    }
