"""Events and objects of Discord, as small as discord.py accepts them."""

from collections.abc import Sequence
from typing import Any

APPLICATION_ID = "900000000000000001"
BOT_ID = "900000000000000002"
AT_ME = f"<@{BOT_ID}>"  # a mention of the bot
GUILD_ID = "900000000000000010"
CHANNEL_ID = "900000000000000020"
THREAD_ID = "900000000000000021"
MEMBER_ID = "900000000000000030"
MANAGE_GUILD = 1 << 5
MAY_POST = 1 << 10 | 1 << 11 | 1 << 15 | 1 << 38  # see, write, attach files, write in threads
EPHEMERAL = 1 << 6
LOADING = 1 << 7
TIMESTAMP = "2026-11-23T08:00:00.000000+00:00"
APPLICATION_COMMAND, COMPONENT, AUTOCOMPLETE, FORM = 2, 3, 4, 5
VIEW, SEND, ATTACH = 1 << 10, 1 << 11, 1 << 15
IN_SERVER, WITH_BOT, ELSEWHERE = 0, 1, 2  # contexts of an interaction
ROLE_ID = GUILD_ID  # the role of all members has the id of its server


def user(user_id: str = MEMBER_ID, name: str = "member", *, bot: bool = False) -> dict[str, Any]:
    return {
        "id": user_id,
        "username": name,
        "global_name": None,
        "avatar": None,
        "discriminator": "0000" if bot else "0",
        "public_flags": 0,
        "flags": 0,
        "bot": bot,
    }


BOT = user(BOT_ID, "sugarbot", bot=True)


def application() -> dict[str, Any]:
    return {
        "id": APPLICATION_ID,
        "name": "sugarbot",
        "icon": None,
        "description": "",
        "type": None,
        "flags": 0,
        "verify_key": "00",
        "bot_public": True,
        "bot_require_code_grant": False,
        "owner": user("900000000000000003", "host"),
        "team": None,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
    }


def ready() -> dict[str, Any]:
    return {
        "v": 10,
        "user": BOT,
        "guilds": [{"id": GUILD_ID, "unavailable": True}],
        "application": {"id": APPLICATION_ID, "flags": 0},
    }


def message(message_id: str, channel_id: str, content: str = "", flags: int = 0) -> dict[str, Any]:
    return {
        "id": message_id,
        "channel_id": channel_id,
        "type": 0,
        "content": content,
        "text": content,  # of this fake: what people read, be it content or components
        "author": BOT,
        "timestamp": TIMESTAMP,
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "flags": flags,
    }


def guild(permissions: int = VIEW | SEND | ATTACH, denied: int = 0, locale: str = "en-US") -> dict[str, Any]:
    """A GUILD_CREATE event: a server with one channel, which can deny all members some permissions."""
    overwrites = [{"id": ROLE_ID, "type": 0, "allow": "0", "deny": str(denied)}]
    channel = {"id": CHANNEL_ID, "type": 0, "name": "drawing", "position": 0}
    everybody = {
        "id": ROLE_ID,
        "name": "@everyone",
        "permissions": str(permissions),
        "position": 0,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    me = {"user": BOT, "roles": [], "joined_at": TIMESTAMP, "deaf": False, "mute": False, "flags": 0}
    return {
        "id": GUILD_ID,
        "name": "a server",
        "owner_id": "900000000000000003",
        "preferred_locale": locale,
        "roles": [everybody],
        "emojis": [],
        "features": [],
        "channels": [{**channel, "permission_overwrites": overwrites}],
        "members": [me],
        "threads": [],
        "member_count": 2,
        "unavailable": False,
    }


def thread() -> dict[str, Any]:
    """The thread of the channel, as an interaction and the gateway describe it."""
    life = {"archived": False, "auto_archive_duration": 60, "archive_timestamp": TIMESTAMP, "locked": False}
    return {
        "id": THREAD_ID,
        "parent_id": CHANNEL_ID,
        "guild_id": GUILD_ID,
        "owner_id": MEMBER_ID,
        "name": "a thread",
        "type": 11,
        "message_count": 0,
        "member_count": 1,
        "thread_metadata": life,
    }


def message_event(
    message_id: str,
    channel_id: str,
    content: str,
    *,
    user_id: str,
    in_guild: bool,
    roles: Sequence[str] = (),
    **changed: Any,
) -> dict[str, Any]:
    """A MESSAGE_CREATE event of a person; it has a text if the bot may read it."""
    written = {**message(message_id, channel_id, content), "author": user(user_id)}
    if AT_ME in content:
        written["mentions"] = [BOT]
    if in_guild:
        member = {"roles": list(roles), "joined_at": TIMESTAMP, "deaf": False, "mute": False, "flags": 0}
        written |= {"guild_id": GUILD_ID, "member": member}
    written |= changed
    is_mine = any(one["id"] == BOT_ID for one in written["mentions"])
    if in_guild and not is_mine:  # Discord withholds these without a privileged intent
        written |= {"content": "", "attachments": [], "embeds": [], "components": []}
    return written


def interaction(
    interaction_id: str,
    token: str,
    kind: int,
    data: dict[str, Any],
    *,
    user_id: str,
    locale: str,
    channel_id: str,
    in_guild: bool,
    permissions: int,
    file_bytes: int,
    may_post: bool = True,
    is_own_install: bool = False,
    guild_locale: str = "en-US",
    roles: Sequence[str] = (),
) -> dict[str, Any]:
    """An INTERACTION_CREATE event: in a server, in a direct message with the bot, or among other people.

    The last is ``is_own_install`` outside of a server: somebody brought the bot along as their own app.
    """
    channel: dict[str, Any] = {"id": channel_id, "type": 0, "name": "drawing", "position": 0}
    if channel_id == THREAD_ID:
        channel = thread()
    server = {"id": GUILD_ID, "locale": guild_locale, "features": []}
    who: dict[str, Any] = {"guild_id": GUILD_ID, "guild": server, "guild_locale": guild_locale}
    if in_guild:
        who["member"] = {
            "user": user(user_id),
            "roles": list(roles),
            "joined_at": TIMESTAMP,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "permissions": str(permissions),
        }
    else:
        channel = {"id": channel_id, "type": 3 if is_own_install else 1, "recipients": [user(user_id)]}
        who = {"user": user(user_id)}
    owners = {"0": GUILD_ID if in_guild else "0"}
    return {
        "id": interaction_id,
        "application_id": APPLICATION_ID,
        "type": kind,
        "token": token,
        "version": 1,
        "data": data,
        "locale": locale,
        "channel_id": channel_id,
        "channel": channel,
        "app_permissions": str(MAY_POST if may_post else 0),
        "entitlements": [],
        "authorizing_integration_owners": {"1": user_id} if is_own_install else owners,
        "context": IN_SERVER if in_guild else ELSEWHERE if is_own_install else WITH_BOT,
        "attachment_size_limit": file_bytes,
        **who,
    }


def command(name: str, options: dict[str, Any], focused: str = "") -> dict[str, Any]:
    """The data of a slash command: ``command("lora switch", {"name": "sugar"})``."""
    types = {bool: 5, int: 4, float: 10, str: 3}
    given = [
        {"name": key, "type": types[type(value)], "value": value}
        | ({"focused": True} if key == focused else {})
        for key, value in options.items()
    ]
    top, _, below = name.partition(" ")
    if below:
        given = [{"name": below, "type": 1, "options": given}]
    return {"id": "900000000000000099", "name": top, "type": 1, "options": given}
