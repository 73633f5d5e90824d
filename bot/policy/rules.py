"""The host's rules about people: who may do what, what it costs, and how much each person may draw.

The adapters declare their menus with the same rights, but a menu does not enforce them. The desk checks every
command here, whether a person typed, chose or pressed it. Credits are integers, so sums never drift.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from bot.commands.table import ENTRY_OF, Right
from bot.commands.values import Command, Delete, Export, Help, Mine
from bot.errors import (
    Banned,
    BannedForNow,
    BotUnclaimed,
    ChatNotAllowed,
    HostsOnly,
    NotInPublic,
    NotLoggedIn,
)
from bot.outcomes import CommandContext, Recipe

if TYPE_CHECKING:  # importing the settings takes 0.2 s, and only `from_settings` needs them
    from bot.settings import Settings

LOCAL_PLATFORMS = frozenset({"console", "web"})  # both are reached from the host's own machine alone
CONSOLE_HOST = "host"  # the user id of ``sugarbot say --host``

DAY_S = 86_400
MAX_REPORTS_A_DAY = 10  # of one person; hosts read them all
PRESS_AGAIN_S = 30  # from the question of a button to the second press

WITHOUT_BAN = (Help, Mine, Export, Delete)
"""What a banned person may do: read, take along and delete what they have."""

CREDIT_AREA_PX = 1024 * 1152
"""The area one credit pays for: Z-Image's native megapixel (1024 × 1024) and an eighth more, because a shape
rounded to the model's 16-pixel grid may be a little larger. Time and memory of a picture grow with its
area, so a picture of twice the area costs two."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a person is entitled to.

    Attributes:
        weight: Share of the card while others wait, in usual shares.
        daily_credits: The account is filled up to this number every day at 00:00 UTC.
    """

    weight: int = 1
    daily_credits: int = 40


@dataclass(frozen=True, slots=True)
class Tier:
    """People with a higher entitlement.

    Attributes:
        people: As ``platform:user_id``.
        groups: Roles and groups whose members are in the tier, as in ``CommandContext.groups``.
    """

    people: frozenset[str]
    entitlement: Entitlement
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ban:
    """Who may not use the bot.

    Attributes:
        name: ``platform:user_id``.
        until_ms: When it ends, in unix milliseconds; None: a host ends it.
        reason: What the person reads; may be empty.
    """

    name: str
    until_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The host's decisions; by default nobody is a host and the bot serves only the console and the page.

    Attributes:
        hosts: ``platform:user_id`` of each host.
        allow: ``platform:chat_id`` of each served chat, ``discord:guild_id``, or ``platform:*``; and
            ``platform:user_id`` of each person who is served in private chats.
        bans: By name.
        daily_credits: As in ``Entitlement``, for people outside all tiers.
        max_waiting: How many jobs of one person may wait or run at once.
        page_has_password: On the local page only those are hosts who have logged in.
    """

    hosts: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    daily_credits: int = 40
    max_waiting: int = 4
    tiers: tuple[Tier, ...] = ()
    bans: Mapping[str, Ban] = field(default_factory=dict)
    page_has_password: bool = False

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """The rules as the host wrote them in the settings."""
        quota = settings.quota
        tiers = []
        for tier in quota.tiers.values():
            daily = quota.daily_credits if tier.daily_credits is None else tier.daily_credits
            groups = frozenset({*tier.roles, *tier.members})
            tiers.append(Tier(frozenset(tier.people), Entitlement(tier.weight, daily), groups))
        return cls(
            hosts=frozenset(settings.hosts),
            allow=frozenset(settings.allow),
            daily_credits=quota.daily_credits,
            max_waiting=quota.max_waiting,
            tiers=tuple(tiers),
            page_has_password=settings.web.operator_password is not None,
        )

    @property
    def tier_groups(self) -> frozenset[str]:
        """The roles and groups of all tiers."""
        return frozenset(group for tier in self.tiers for group in tier.groups)

    def entitlement_of(self, identities: Iterable[str], groups: Iterable[str] = ()) -> Entitlement:
        """The best of the tiers that name an identity (``platform:user_id``) or a group of a person."""
        names, held = frozenset(identities), frozenset(groups)
        found = [
            tier.entitlement
            for tier in self.tiers
            if not names.isdisjoint(tier.people) or not held.isdisjoint(tier.groups)
        ]
        found = found or [Entitlement(daily_credits=self.daily_credits)]
        return Entitlement(max(one.weight for one in found), max(one.daily_credits for one in found))


def is_host(context: CommandContext, rules: Rules) -> bool:
    """Whether this person is a host: named in the settings, or at the host's own machine.

    The page answers on loopback only, so without a password everyone there is a host.
    """
    if context.platform == "web":
        return context.is_operator or not rules.page_has_password
    if context.platform == "console":
        return context.user_id == CONSOLE_HOST
    return is_host_identity(f"{context.platform}:{context.user_id}", rules)


def is_host_identity(identity: str, rules: Rules) -> bool:
    """Whether the person with this ``platform:user_id`` is a host wherever they ask."""
    is_page = identity.startswith("web:") and not rules.page_has_password
    return is_page or identity == f"console:{CONSOLE_HOST}" or identity in rules.hosts


def owns_machine(context: CommandContext, rules: Rules) -> bool:
    """Whether this is a host at the machine itself, on the page or the terminal, who has no quota there."""
    return context.platform in LOCAL_PLATFORMS and is_host(context, rules)


def others_read(chats: Sequence[str]) -> bool:
    """Whether several people read a chat: a channel of a Discord server, or a group of Telegram.

    Args:
        chats: As ``chats_of`` returns them. Telegram gives groups negative ids.
    """
    return len(chats) > 1 or (len(chats) == 1 and chats[0].startswith("telegram:-"))


def serves(rules: Rules, names: Sequence[str]) -> bool:
    """Whether the bot serves a chat; ``names`` are those of ``chats_of``, and its earlier ones."""
    platform = names[0].partition(":")[0] if names else ""
    return platform in LOCAL_PLATFORMS or not rules.allow.isdisjoint({*names, f"{platform}:*"})


def chats_of(context: CommandContext) -> tuple[str, ...]:
    """Return the chat of a command, the channel of a thread, and the server, as ``platform:id``."""
    ids = (context.address.chat_id, context.parent_chat_id, context.space_id)
    return tuple([f"{context.platform}:{one}" for one in ids if one])


def require_permission(
    command: Command, context: CommandContext, rules: Rules, earlier_ids: Iterable[str] = ()
) -> None:
    """Return when the bot serves this chat and this person may give this command; hosts may, everywhere.

    Args:
        command: What is asked for.
        context: Who asks, and where.
        rules: What the host allowed.
        earlier_ids: Ids that the chat had before its platform gave it another.

    Raises:
        ChatNotAllowed: Closed to this chat; ``chat`` is the entry the host would add to ``allow``.
            BotUnclaimed: There is no host yet.
        HostsOnly: The command is for hosts, and this person is not a host.
        NotLoggedIn: The same on the page, where the person has not logged in.
    """
    chats = chats_of(context)
    ids = [*earlier_ids, "*"] if context.is_group else [*earlier_ids, "*", context.user_id]
    is_served = serves(rules, (*chats, *[f"{context.platform}:{one}" for one in ids]))
    entry = ENTRY_OF[type(command)]
    if entry.right is Right.ANYONE or (entry.right is Right.EVERYONE and is_served):
        return
    if is_host(context, rules):
        return
    if is_served:
        raise (NotLoggedIn if context.platform == "web" else HostsOnly)(command=entry.name)
    refusal = ChatNotAllowed if rules.hosts else BotUnclaimed
    if context.platform == "discord" and not context.space_id:  # nobody knows the id of a private channel
        raise refusal(chat=f"discord:{context.user_id}")
    raise refusal(chat=chats[-1] if chats else f"{context.platform}:")  # the server, if there is one


def require_not_banned(command: Command, context: CommandContext, rules: Rules, now_ms: int) -> None:
    """Return when this person is not banned, or only reads and deletes what is theirs.

    A host is never banned.

    Raises:
        Banned: Until a host ends it; BannedForNow: until a time.
    """
    ban = rules.bans.get(f"{context.platform}:{context.user_id}")
    if ban is None or isinstance(command, WITHOUT_BAN) or is_host(context, rules):
        return
    if ban.until_ms is None:
        raise Banned(reason=ban.reason)
    if now_ms < ban.until_ms:
        raise BannedForNow(reason=ban.reason, until_s=ban.until_ms // 1_000)


def require_private_chat(command: Command, context: CommandContext) -> None:
    """Return when nobody else reads the answer: Discord shows that of a slash command to the person alone.

    Raises:
        NotInPublic: In a group, or in a channel where a message asked.
    """
    is_other_chat = context.platform == "telegram" and context.address.chat_id != context.user_id
    if context.is_group or is_other_chat:
        raise NotInPublic(command=ENTRY_OF[type(command)].name)


def price(recipe: Recipe) -> int:
    """Credits of a recipe's pictures: one for each started ``CREDIT_AREA_PX`` of each picture.

    A picture that begins with another one takes a part of the steps, and of the time, so it costs that part.
    A sheet costs, by its area, what pictures of its full size cost. Small pictures of a quarter of that area
    count as a quarter, even if the grid makes them an eighth larger.
    """
    full, area = recipe.sheet or recipe, recipe.width_px * recipe.height_px
    full_area, strength = full.width_px * full.height_px, recipe.start.strength if recipe.start else 1.0
    credits = recipe.count * max(1, math.ceil(full_area * strength / CREDIT_AREA_PX))
    if recipe.sheet is None:
        return credits
    return -(-credits // 4) if 32 * area <= 9 * full_area else -(-credits * area // full_area)


def refund(price: int, count: int, missing: int, *, is_cancelled: bool = False) -> int:
    """Credits back for ``missing`` of a job's ``count`` pictures, rounded up, or down if it was cancelled.

    Otherwise small pictures that share a credit would be free if they were cancelled at the last.
    """
    return price * missing // count if is_cancelled else -(-price * missing // count)


def top_up(credits: int, daily: int, given: int = 0) -> int:
    """Credits to add up to the daily allowance, of which ``given`` were added today; never negative."""
    return max(0, min(daily - given, daily - credits))


def joint(one: int, one_daily: int, other: int, other_daily: int, daily: int) -> int:
    """Credits of two people who become one person with the allowance ``daily``.

    Credits above the allowance of each were granted and stay in full. The rest comes from their allowances;
    one person has one allowance, so it counts up to ``daily``. The result is never more than both had.
    """
    granted = max(0, one - one_daily) + max(0, other - other_daily)
    return granted + min(daily, one + other - granted)


def renews_at_s(now_s: float) -> int:
    """The next 00:00 UTC after ``now_s``, both in unix seconds."""
    return (int(now_s // DAY_S) + 1) * DAY_S
