"""The messages about problems of the settings and the set-up, for the host."""

from bot.errors import Problem
from bot.messages.catalogue import N_, text
from bot.messages.details import translate_detail
from bot.messages.storage.upgrade import FINDINGS as UPGRADE_FINDINGS

SETTINGS = {
    "unreadable": N_("{path} can't be read: {detail}. Check the path, or name another file with --config."),
    "not_utf8": N_("{path} is not UTF-8. Save it as UTF-8 text."),
    "not_toml": N_("{path} is not valid TOML, see line {line}. Text needs quotes, as in: language = 'en'"),
    "bracket_open": N_(
        "{path} is not valid TOML, see line {line}. A bracket is not closed; write it like: [engine]"
    ),
    "not_a_file": N_("{path} is no regular file. Name another file with --config."),
    "given_twice": N_("{path} contains a setting or a table twice, see line {line}. Keep one of them."),
    "readable_by_others": N_(
        "{path} contains a token or a password, but other users of this machine can read it. "
        "Run: chmod 600 {path}"
    ),
    "not_a_token": N_(
        "{path} has something else than a token in line {line}. Write one token a line, like: DISCORD_TOKEN=…"
    ),
    "token_file": N_("{setting} must name a readable file with the token or the password, not {path}."),
    "unpinned": N_(
        "engine.revision must be the commit of {model} to use, so that no other weights are ever loaded; "
        "for example: {example}"
    ),
    "misspelt": N_("{setting} is not a setting; did you mean {nearest_setting}?"),
    "no_setting": N_("{setting} is not a setting; the settings are: {settings}."),
    "no_table": N_("{setting} must be a table of settings, under [{setting}]."),
    "must_be": N_("{setting} must be {what}; for example: {example}"),
    "must_be_not": N_("{setting} must be {what}, not '{value}'; for example: {example}"),
}

FINDINGS = {
    "data": N_("{path}, {free} free"),
    "disk_low": N_("{path} has only {free} free. Make room soon."),
    "disk_full": N_(
        "{path} has only {free} free, but pictures need {needed}. Make room, or choose another data_dir."
    ),
    "data_unusable": N_(
        "{path} can't be written: {detail}. Allow writing there, or choose another data_dir."
    ),
    "data_foreign": N_(
        "{path} holds other files than Sugarbot's, or belongs to others, so nothing there was changed. Set "
        "data_dir to a new or an empty folder."
    ),
    "data_readable": N_(
        "Other users of this machine can read {path}. The next start removes that permission."
    ),
    "database_new": N_("none yet; the first start creates it"),
    "database_in_use": N_("in use by a running Sugarbot"),
    "database_old": N_(
        "schema {found}; this version has {known}. The next start makes a copy and migrates it."
    ),
    "database_wrong": "{problem}",
    "database_damage": N_("damaged: {detail}"),
    "unbalanced": N_("credits that differ from the ledger; people: {count}"),
    "lost_results": N_("ended jobs without a result to deliver: {count}"),
    "database_sound": N_("intact, schema {schema}"),
    "card": N_("{name}, {free} of {total} GiB free, {reserve} GiB of it kept for other programs"),
    "processor": N_("none in use: pictures are drawn on the processor, {free} of {total} GiB memory free"),
    "device_missing": N_(
        "engine.device is {device}, but there is no such card. Set another engine.device, or install its "
        "driver."
    ),
    "libraries_missing": N_(
        "{name} cannot be used: the packages were installed for a machine without a card. Install them "
        "again: make CARD=yes setup"
    ),
    "card_unknown": N_(
        "its memory is unknown, so jobs start without a memory check. Try: nvidia-smi ({detail})"
    ),
    "plan": "{about}",
    "no_compiler": N_("no C compiler: install gcc or clang, or set CC; without it, pictures take longer"),
    "no_headers": N_(
        "no Python.h: install python3-dev (Fedora: python3-devel); without it, pictures take longer"
    ),
    "model": N_("{name}, {size}"),
    "converted": N_("converted: {path}"),
    "not_converted": N_("`sugarbot setup` can convert its weights once, so that every start is faster"),
    "loras": "{loras}",
    "no_loras": N_("empty; put .safetensors files into the LoRA folder"),
    "lora_dir_unusable": N_(
        "engine.lora_dir is {path}, which can't be read: {detail}. Create the folder, or choose another one."
    ),
    "lora_dir_missing": N_(
        "engine.lora_dir is {path}, which does not exist. Create the folder, or choose another one."
    ),
    "kernels_unwritable": N_("{path} can't be written, so each start builds the card's kernels again."),
    "variable_misspelt": N_(
        "The environment variable {variable} is not known and sets nothing; did you mean {nearest}?"
    ),
    "variable_unknown": N_(
        "The environment variable {variable} is not known and sets nothing. Correct its name, or remove it."
    ),
    "restart_needed": N_("changed since the start, and not in use before a restart: {settings}"),
    "backup": N_("{hours} h old, in {path}"),
    "backup_failed": N_(
        "The newest attempt, {hours} h ago, failed: {detail}. Repair that in {path}, then: sugarbot db backup"
    ),
    "backup_old": N_(
        "The newest one is {days} days old. A running bot makes one a night; or: sugarbot db backup"
    ),
    "backup_missing": N_("None yet. A running bot makes one a night; or: sugarbot db backup"),
    "canary": N_("drawn in {picture_s} s; the worker took {start_s} s to start"),
    "canary_late": N_("No picture in {seconds} s. Is another program using the card? Try: nvidia-smi"),
    "canary_refused": N_("The worker drew no picture: {reason}. Its log lines above say more."),
    "accepted": N_("the token is accepted: {bot}"),
    "clock_wrong": N_(
        "This machine's clock is {seconds} s off, and Discord's answers expire by the clock. Turn on NTP: "
        "timedatectl set-ntp true"
    ),
    "commands_go_elsewhere": N_(
        "Discord sends the commands to {url} and not to this bot. Clear “Interactions Endpoint URL” in the "
        "Developer Portal, on the application's first page."
    ),
    "starts_used_up": N_(
        "The bot connected too often today; Discord allows the next start in {minutes} min. Find out what "
        "restarts it."
    ),
    "menu_outdated": N_(
        "Discord shows other commands than this version has. The next start declares them; or: "
        "sugarbot run --sync"
    ),
    "in_no_server": N_("The bot is in no server yet. Add it to one with this link: {link}"),
    "permissions_missing": N_(
        "In {server} the bot lacks: {permissions}. Grant them to its role, or pictures arrive as direct "
        "messages."
    ),
    "no_groups": N_("The bot can't be added to groups. In @BotFather: /setjoingroups"),
    "privacy_off": N_(
        "Privacy mode is off, so Telegram sends it every message of its groups. It needs only commands and "
        "replies; in @BotFather: /setprivacy"
    ),
    "webhook_set": N_(
        "A webhook takes the messages. The next start removes it; stop the program that set it, or it will "
        "take them again."
    ),
    "read_elsewhere": N_(
        "Another program reads this bot's messages. Stop it, or get a new token from @BotFather: /revoke"
    ),
    "menu_declared_at_start": N_(
        "Telegram shows other commands than this version has. The next start declares them."
    ),
    "not_in_chat": N_("The bot is not in the allowed chat {chat}. Add it there, or remove it from `allow`."),
    "host_has_not_written": N_(
        "The host {host} has not written to the bot yet, so it can't send them a message. Send /start."
    ),
    "default_unknown": N_(
        "engine.default_lora is {name}, which is not on the shelf. Put the file there, or choose another "
        "LoRA."
    ),
    "token_set": N_("a token is set"),
    "chat_off": N_("off: no token; `sugarbot setup` asks for it, or set {variable}"),
    "serves_nobody": N_("on, but no server or chat is allowed: add some in the settings, such as {example}"),
    "token_readable": N_(
        "Other users of this machine can read the token or password in {path}. Run: chmod 600 {path}"
    ),
    "code_readable": N_("Other users of this machine can read {path}. Run: chmod 600 {path}"),
    "no_hosts": N_(
        "none yet. Send the bot /claim and the code that `sugarbot setup --claim` shows, in a private "
        "chat; or add one in the settings, such as {example}"
    ),
    "to_download": N_("{name}, {gib} GiB are still to be downloaded; commit {commit}"),
    "page_off": N_("off"),
    "no_chats": N_("All chats are off. Set DISCORD_TOKEN or TELEGRAM_TOKEN, or set web.enabled = true."),
    "page_open": "{url}",
}
SENTENCES = SETTINGS | FINDINGS | UPGRADE_FINDINGS


def format_problem(problem: Problem, locale: str) -> str:
    """Return the problem's sentence, with what to do about it."""
    facts = dict(problem.facts)
    if "what" in facts:
        facts["what"] = text(str(facts["what"]), locale)
    if "detail" in facts:
        facts["detail"] = translate_detail(str(facts["detail"]), locale)
    return text(SENTENCES[problem.code], locale, **facts)
