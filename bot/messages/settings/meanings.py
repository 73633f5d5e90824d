"""A sentence for each setting and each table of settings; ``must_be`` of the setting has its valid values."""

from bot.messages.catalogue import N_, text

MEANINGS = {
    "data_dir": N_("The folder of the database, the pictures, the backups and the models."),
    "language": N_("The language of the command line, and of chats that do not say theirs."),
    "hosts": N_("Who runs the bot, and may use the commands for hosts."),
    "allow": N_("The servers and chats that the bot serves; elsewhere it answers its hosts alone."),
    "alerts": N_("Whether hosts get a private message when something is wrong, and when it is over."),
    "quota": N_("How much each person may draw."),
    "quota.daily_credits": N_(
        "Each day at 00:00 UTC a person's credits are filled up to this; a picture costs one."
    ),
    "quota.max_waiting": N_("How many jobs of one person may wait at once."),
    "quota.tiers.NAME": N_("A tier: people with more of the card or other credits. You choose its name."),
    "quota.tiers.NAME.people": N_("Who is in the tier."),
    "quota.tiers.NAME.roles": N_("Roles of Discord servers; whoever has one is in the tier."),
    "quota.tiers.NAME.members": N_(
        "Telegram groups; their members are in the tier. The bot must be an administrator there."
    ),
    "quota.tiers.NAME.weight": N_(
        "The share of the card while others wait: with 3, three times as many seconds as they."
    ),
    "quota.tiers.NAME.daily_credits": N_("The credits of the tier each day; left out, everybody's."),
    "discord": N_("The Discord chat; it opens if a token is set."),
    "discord.token": N_(
        "The bot's token from Discord's Developer Portal; better in a file that you alone can read."
    ),
    "discord.api_base": N_("The address of Discord's API; change it only for a relay of your own."),
    "discord.gateway": N_("The address of Discord's gateway; empty, Discord's API names it."),
    "discord.proxy": N_("The proxy on the way to Discord, http or https; empty for none."),
    "telegram": N_("The Telegram chat; it opens if a token is set."),
    "telegram.token": N_("The bot's token from @BotFather; better in a file that you alone can read."),
    "telegram.base_url": N_(
        "The address of Telegram's Bot API; change it only for a relay or API server of your own."
    ),
    "telegram.base_file_url": N_("The address of Telegram's files; change it together with base_url."),
    "telegram.proxy": N_("The proxy on the way to Telegram, http, https or socks5; empty for none."),
    "web": N_("The local page; without a password, whoever opens it acts as a host."),
    "web.enabled": N_("Whether the local page is served."),
    "web.host": N_("The address that the page answers on, reachable from this machine alone."),
    "web.port": N_("The port of the page; 0 takes any free one."),
    "web.operator_password": N_(
        "The password of the operator tab; with one, only who has logged in may give a host's commands there."
    ),
    "huggingface": N_("Your account at Hugging Face; most files need none."),
    "huggingface.token": N_(
        "A token of your account at Hugging Face, for files that not everybody may download."
    ),
    "modelscope": N_("Your account at ModelScope; most files need none."),
    "modelscope.token": N_(
        "A token of your account at ModelScope, for files that not everybody may download."
    ),
    "civitai": N_("Your account at Civitai; most files need none."),
    "civitai.token": N_("A token of your account at Civitai, for files that not everybody may download."),
    "engine": N_("The model, the LoRAs and the card."),
    "engine.model": N_(
        "The model: the small built-in one, a folder in diffusers' layout, or a published one by its name."
    ),
    "engine.endpoint": N_("The address of that source or of its mirror; empty for the usual one."),
    "engine.revision": N_("The commit of a published model, so that no other weights are ever loaded."),
    "engine.source": N_("Where a published model is downloaded from: Hugging Face (hub) or ModelScope."),
    "engine.device": N_(
        "What draws: one card (cuda, cuda:1), the processor (cpu), or a card if there is one (auto)."
    ),
    "engine.precision": N_(
        "The number format of the weights: auto chooses by your card; eight bits (fp8, int8) need less "
        "memory and change the picture slightly."
    ),
    "engine.default_lora": N_("The LoRA of requests that name none, where a chat has no default of its own."),
    "engine.lora_dir": N_("The folder of your LoRA files; left out, the folder loras in data_dir."),
    "engine.reserve_mib": N_("Memory of the card that stays free for other programs, in MiB."),
    "engine.spare_worker": N_(
        "Whether a second process stands by, so that a lost worker is replaced in seconds."
    ),
    "engine.idle_release_min": N_(
        "After so many minutes without a job, the card is given back to other programs until the next job; "
        "0 keeps it."
    ),
    "engine.step_timeout_s": N_(
        "A worker whose step takes longer than so many seconds counts as hung and is replaced."
    ),
    "engine.start_timeout_s": N_("A worker that is not ready after so many seconds is replaced."),
    "storage": N_("How much of the disk pictures may use."),
    "storage.reserve_mib": N_(
        "Nothing is drawn while less of the disk is free, in MiB; on a small disk: a twentieth of it."
    ),
    "storage.keep_pictures_days": N_("Older pictures are deleted, and /mine says so; 0 keeps them for ever."),
    "storage.keep_originals_days": N_(
        "Older pictures are kept as small previews, and /mine says so; 0 keeps originals as long as pictures."
    ),
}
"""By the dotted name of a setting or a table."""


def meaning_of(name: str, locale: str) -> str:
    """Return what a setting or a table of settings means.

    Args:
        name: The dotted name, as ``bot.settings.every_setting`` lists it: ``engine.model``, ``engine``.
        locale: One of ``bot.languages.LOCALES``.
    """
    return text(MEANINGS[name], locale)
