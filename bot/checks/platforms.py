"""What Discord and Telegram say about the bot: its token, rights, commands and clock.

The requests read only, so a running bot notices nothing.
"""

import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from bot.checks.finding import Finding, Level
from bot.checks.platform_api import REQUEST_TIMEOUT_S, NotAnswered, PlatformApi
from bot.commands.table import COMMANDS, telegram_menu
from bot.settings import Settings

CLOCK_OFF_S = 30.0  # a Discord answer is edited until half a minute before its token expires, by this clock
MAX_ASKED = 20  # chats and people of the settings; a list with more is checked so far
NEEDED_PERMISSIONS = {
    "View Channels": 1 << 10,
    "Send Messages": 1 << 11,
    "Attach Files": 1 << 15,
    "Read Message History": 1 << 16,
}
"""Of Discord: without them, results go to direct messages (Discord, Permissions)."""

ADMINISTRATOR = 1 << 3
CHAT_INPUT = 1  # Discord's type of a slash command; the others are context menus


def discord_menu() -> set[str]:
    """Return the names of the commands that the bot declares to Discord, without context menus."""
    listed = [entry for entry in COMMANDS if "discord" in entry.menus]
    return {entry.name.split()[0] for entry in listed} | {entry.alone.name for entry in listed if entry.alone}


def invitation(application_id: str) -> str:
    """Return the link with which people add the bot to a server, with the rights that it needs there."""
    permissions = sum(NEEDED_PERMISSIONS.values())
    scopes = "bot+applications.commands"
    query = f"client_id={application_id}&scope={scopes}&permissions={permissions}"
    return f"https://discord.com/oauth2/authorize?{query}"


async def check_discord(settings: Settings) -> AsyncIterator[Finding]:
    """Check the bot at Discord; the settings have a token."""
    chat = settings.discord
    headers = {"Authorization": f"Bot {chat.token.get_secret_value()}"}
    async with _client(chat.api_base, chat.proxy, headers) as client:
        api = PlatformApi("discord", client, "users/@me")
        try:
            bot, answered = await api.respond(api.own)
            for finding in _check_clock("discord", answered):
                yield finding
            application = await api.get("applications/@me") or {}
            link = invitation(str(application.get("id", "")))
            yield Finding(
                Level.FINE, "discord", "accepted", {"bot": str(bot.get("username", "")), "link": link}
            )
            for finding in _check_application(application):
                yield finding
            limit = (await api.get("gateway/bot") or {}).get("session_start_limit", {})
            if limit.get("remaining") == 0:
                minutes = int(limit.get("reset_after", 0)) // 60_000 + 1
                yield Finding(Level.WRONG, "discord", "starts_used_up", {"minutes": minutes})
            declared = await api.get(f"applications/{application.get('id', 0)}/commands")
            names = {one["name"] for one in declared or () if one.get("type", 1) == CHAT_INPUT}
            if declared is not None and names != discord_menu():
                yield Finding(Level.NOTE, "discord", "menu_outdated")
            servers = {one["id"]: one for one in await api.get("users/@me/guilds", limit="200") or ()}
            for finding in _check_servers(servers, _ids_of("discord", settings.allow), link):
                yield finding
        except NotAnswered as problem:
            yield problem.finding


def _check_application(application: dict[str, Any]) -> list[Finding]:
    if url := application.get("interactions_endpoint_url"):
        return [Finding(Level.WRONG, "discord", "commands_go_elsewhere", {"url": url})]
    return []


def _check_servers(servers: dict[str, dict[str, Any]], allowed: list[str], link: str) -> list[Finding]:
    findings = []
    if not servers:
        findings.append(Finding(Level.NOTE, "discord", "in_no_server", {"link": link}))
    for server in servers.values():
        may = int(server.get("permissions", 0))
        lacks = tuple(name for name, bit in NEEDED_PERMISSIONS.items() if not may & (bit | ADMINISTRATOR))
        if lacks and (server["id"] in allowed or "*" in allowed):
            facts = {"server": str(server.get("name", server["id"])), "permissions": lacks}
            findings.append(Finding(Level.NOTE, "discord", "permissions_missing", facts))
    return findings


async def check_telegram(settings: Settings, *, is_running: bool) -> AsyncIterator[Finding]:
    """Check the bot at Telegram.

    Args:
        settings: With a token.
        is_running: A bot uses this data folder, so that asking for updates would disturb it.
    """
    chat = settings.telegram
    async with _client(f"{chat.base_url}{chat.token.get_secret_value()}", chat.proxy, {}) as client:
        api = PlatformApi("telegram", client, "getMe")
        try:
            answer, answered = await api.respond(api.own)
            for finding in _check_clock("telegram", answered):
                yield finding
            bot = answer["result"]
            name = str(bot.get("username", ""))
            facts = {"bot": f"@{name}", "link": f"https://t.me/{name}"}
            yield Finding(Level.FINE, "telegram", "accepted", facts)
            for finding in _check_bot_settings(bot):
                yield finding
            webhook = ((await api.get("getWebhookInfo")) or {}).get("result", {})
            if webhook.get("url"):
                yield Finding(Level.NOTE, "telegram", "webhook_set")
            elif not is_running and await _has_other_reader(api):
                yield Finding(Level.WRONG, "telegram", "read_elsewhere")
            declared = ((await api.get("getMyCommands")) or {}).get("result", [])
            menu = [row.telegram_name for row in telegram_menu(for_host=False)]
            if [one["command"] for one in declared] != menu:
                yield Finding(Level.NOTE, "telegram", "menu_declared_at_start")
            async for finding in _check_chats(api, settings):
                yield finding
        except NotAnswered as problem:
            yield problem.finding


def _check_bot_settings(bot: dict[str, Any]) -> list[Finding]:
    findings = []
    if bot.get("can_join_groups") is False:
        findings.append(Finding(Level.NOTE, "telegram", "no_groups"))
    if bot.get("can_read_all_group_messages"):
        findings.append(Finding(Level.NOTE, "telegram", "privacy_off"))
    return findings


async def _has_other_reader(api: PlatformApi) -> bool:
    """Whether another program takes this bot's updates; the request confirms no update."""
    try:
        await api.get("getUpdates", limit="1", timeout="0")
    except NotAnswered as problem:
        if str(getattr(problem.finding.facts["error"], "facts", {}).get("detail")) == "HTTP 409":
            return True
        raise
    return False


async def _check_chats(api: PlatformApi, settings: Settings) -> AsyncIterator[Finding]:
    for chat_id in [one for one in _ids_of("telegram", settings.allow) if one != "*"][:MAX_ASKED]:
        if await api.get("getChat", chat_id=chat_id) is None:
            yield Finding(Level.NOTE, "telegram", "not_in_chat", {"chat": chat_id})
    for user_id in _ids_of("telegram", settings.hosts)[:MAX_ASKED]:
        if await api.get("getChat", chat_id=user_id) is None:
            yield Finding(Level.NOTE, "telegram", "host_has_not_written", {"host": user_id})


def _ids_of(platform: str, names: tuple[str, ...]) -> list[str]:
    return [name.removeprefix(f"{platform}:") for name in names if name.startswith(f"{platform}:")]


def _client(base_url: str, proxy: str, headers: dict[str, str]) -> httpx.AsyncClient:
    """Make a client that takes its proxy from the settings only, as the chats do."""
    return httpx.AsyncClient(
        base_url=f"{base_url}/",
        proxy=proxy or None,
        headers=headers,
        timeout=REQUEST_TIMEOUT_S,
        trust_env=False,
    )


def _check_clock(platform: str, headers: httpx.Headers) -> list[Finding]:
    """Compare this machine's clock with the one of the platform."""
    try:
        off_s = time.time() - parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return []
    if abs(off_s) <= CLOCK_OFF_S:
        return []
    return [Finding(Level.WRONG, platform, "clock_wrong", {"seconds": round(abs(off_s))})]
