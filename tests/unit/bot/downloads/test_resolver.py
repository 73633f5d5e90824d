"""Names that lead into private networks are refused."""

import pytest

from bot.downloads.resolver import PrivateAddress, PublicResolver, is_public
from tests.unit.bot.downloads.fake_site import Loopback


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",  # a translation that a network has for itself
        "fec0::1",  # private until 2004, and still in use
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "4000::1",  # given to nobody yet
    ],
)
def test_other_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


async def test_one_private_address_refuses_the_name() -> None:
    class Both(Loopback):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list:  # type: ignore[type-arg]
            [private] = await super().resolve(host, port)
            return [private | {"host": "8.8.8.8"}, private]

    with pytest.raises(PrivateAddress):
        await PublicResolver(Both()).resolve("huggingface.co", 443)
