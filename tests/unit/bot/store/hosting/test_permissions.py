"""Decisions are replaced and taken back; what hosts did stays."""

import pytest

from bot.store import Store
from bot.store.hosting.permissions import HostActionRow, PermissionKind, PermissionRow

BAN = PermissionRow(PermissionKind.BAN, "discord:9", 1, "discord:7", until_ms=50, reason="垃圾")


async def test_a_decision_replaces_an_earlier_one_of_its_kind(store: Store) -> None:
    allowed = PermissionRow(PermissionKind.ALLOW, "discord:9", 2, "discord:7")
    again = PermissionRow(PermissionKind.BAN, "discord:9", 3, "discord:8")
    for row in (BAN, allowed, again):
        await store.permissions.save(row)
    assert await store.permissions.all() == (allowed, again)
    assert await store.permissions.delete(PermissionKind.BAN, "discord:9")
    assert not await store.permissions.delete(PermissionKind.BAN, "discord:9")
    assert await store.permissions.all() == (allowed,)


async def test_what_hosts_did_is_listed_newest_first(store: Store) -> None:
    first = HostActionRow(1, "discord", "7", "ban", "discord:9", {"reason": "垃圾", "until_ms": None})
    second = HostActionRow(2, "web", "x", "pause", "", {})
    for row in (first, second):
        await store.permissions.record(row)
    assert await store.permissions.newest_actions(5) == (second, first)
    assert await store.permissions.newest_actions(1) == (second,)


@pytest.mark.parametrize("name", ["", ":", "discord:", ":9"])
async def test_a_decision_about_nobody_is_refused(store: Store, name: str) -> None:
    with pytest.raises(Exception, match="named"):
        await store.permissions.save(PermissionRow(PermissionKind.BAN, name, 1, "discord:7"))
