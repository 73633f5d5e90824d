"""The alerts that hosts get as private messages, as the bot writes them."""

from bot.messages.hosting.alerts import format_alert
from bot.outcomes import Alert, AlertKind, Platform
from tests.docs.markdown import plain, table

HEADS = {
    "en": ("what a host reads", "and when it is over"),
    "zh-CN": ("管理员会收到", "结束以后"),
}


def alerts_part(locale: str) -> str:
    """Return each alert with its end."""
    rows = []
    for kind in AlertKind:
        facts = {"chat": Platform.DISCORD.value} if kind is AlertKind.CHAT_OFFLINE else {}
        alerts = [Alert(0, Platform.DISCORD, "", locale, kind, facts, lasted) for lasted in (None, 420.0)]
        rows.append([plain(format_alert(alert, locale)) for alert in alerts])
    return table(HEADS[locale], rows)
