"""The alerts to the hosts: what is wrong, what to do, and that it is over."""

from bot.languages import is_chinese
from bot.messages.catalogue import N_, PLATFORM_NAMES, text
from bot.outcomes import Alert, AlertKind

_WRONG = {
    AlertKind.WORKER_LOST: N_(
        "The drawing process has ended {count} times within an hour. It starts again by itself, and waiting "
        "jobs keep their place. /gpu shows the last errors: look for the driver, a LoRA or the card's memory."
    ),
    AlertKind.WORKER_CANNOT_START: N_(
        "The drawing process does not start, so nothing is drawn and jobs wait. Run “sugarbot doctor” on the "
        "machine; it says what to repair."
    ),
    AlertKind.NOTHING_DRAWN: N_(
        "{count} jobs wait, and nothing has been drawn for {minutes} minutes. Another program may fill the "
        "card; /gpu shows what is missing."
    ),
    AlertKind.DISK_LOW: N_(
        "The disk has {free_mib} MiB left, but {needed_mib} MiB must stay free, so nothing is drawn. Make "
        "room, and drawing goes on by itself."
    ),
    AlertKind.BACKUP_OVERDUE: N_(
        "The newest backup of the database is {hours} hours old. Run “sugarbot db backup” on the machine; it "
        "says why it fails."
    ),
    AlertKind.CHAT_OFFLINE: N_(
        "{chat} has been out of reach for {minutes} minutes. The bot keeps trying, and results wait. Check "
        "the network and the proxy, or run “sugarbot doctor” on the machine."
    ),
    AlertKind.OUT_OF_MEMORY: N_(
        "{count} jobs within an hour did not fit in the card's memory; the credits were returned. /gpu shows "
        "what uses the memory."
    ),
    AlertKind.DATABASE_FAULTY: N_(
        "The daily check of the database found faults: {count}. Run “sugarbot db check” on the machine; it "
        "names them. If the file is damaged, “sugarbot db restore” puts a backup in its place."
    ),
}
_OVER = {
    AlertKind.WORKER_LOST: N_("The drawing process runs steadily again."),
    AlertKind.WORKER_CANNOT_START: N_("The drawing process runs again."),
    AlertKind.NOTHING_DRAWN: N_("Pictures are drawn again."),
    AlertKind.DISK_LOW: N_("The disk has enough room again."),
    AlertKind.BACKUP_OVERDUE: N_("The database has a new backup."),
    AlertKind.CHAT_OFFLINE: N_("{chat} is reachable again."),
    AlertKind.OUT_OF_MEMORY: N_("Jobs fit in the card's memory again."),
    AlertKind.DATABASE_FAULTY: N_("The check of the database finds no fault any more."),
}


def format_alert(alert: Alert, locale: str) -> str:
    """Return what a host reads."""
    facts = dict(alert.facts)
    if "chat" in facts:
        facts["chat"] = PLATFORM_NAMES[str(facts["chat"])]
    if alert.lasted_s is None:
        return f"⚠️ {text(_WRONG[alert.kind], locale, **facts)}"
    lasted = text(N_("It lasted {minutes} min."), locale, minutes=max(1, round(alert.lasted_s / 60)))
    return f"✅ {text(_OVER[alert.kind], locale, **facts)}{'' if is_chinese(locale) else ' '}{lasted}"
