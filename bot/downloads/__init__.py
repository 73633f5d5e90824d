"""Downloads of LoRA files that a host asks for in a chat. Links and servers are hostile.

* ``links``      typed text → a file of the Hub or ModelScope, or a version of Civitai
* ``sites``      the sites, the hosts that their files come from, and their tokens
* ``resolver``   names → public addresses only
* ``locating``   a link → the address, name, size and sha256 of its file
* ``downloader`` reads a file into a private folder, within limits

Only https, only the hosts of the site, checked at every redirect. A token goes to its own site alone.

Tests of this package: ``pytest tests/unit/bot/downloads``.
"""

from bot.downloads.downloader import Download, Downloader
from bot.downloads.links import read_link
from bot.downloads.sites import Site, SiteName, public_sites

__all__ = ["Download", "Downloader", "Site", "SiteName", "public_sites", "read_link"]
