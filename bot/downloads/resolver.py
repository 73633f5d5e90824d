"""Resolves names to public addresses only; the connection goes to the address that was checked."""

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver


class PrivateAddress(OSError):
    """The name leads into a private network."""


class PublicResolver(AbstractResolver):
    """Refuses a name if any of its addresses is not public.

    aiohttp connects to the addresses that this returns, so a second answer of the name server is never used.
    """

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``.

        Raises:
            PrivateAddress: One of them is not public.
            OSError: The name is unknown.
        """
        found = await self._inner.resolve(host, port, family)
        for each in found:
            if not is_public(each["host"]):
                raise PrivateAddress(f"{host} leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()


def is_public(address: str) -> bool:
    """Whether an address is on the internet: not private, local, reserved, or a translation of such."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if parsed.teredo is not None or (inner is not None and not is_public(str(inner))):
            return False
        if inner is not None:
            return True
        if parsed not in _UNICAST:  # `is_global` leaves out old and local ranges, by the version of Python
            return False
    return parsed.is_global and not parsed.is_multicast


_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives to networks of the internet."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
