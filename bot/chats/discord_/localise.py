"""Chinese names and descriptions for the command menu, from the table and the catalogue."""

import discord
from discord import app_commands

from bot import messages

CHINESE = (discord.Locale.chinese, discord.Locale.taiwan_chinese)


def named(name: str, word: str) -> app_commands.locale_str:
    """A name that shows as ``word`` to people whose Discord speaks Chinese."""
    return app_commands.locale_str(name, word=word)


def described(msgid: str) -> app_commands.locale_str:
    """A description that shows in the person's language."""
    return app_commands.locale_str(msgid)


class Localiser(app_commands.Translator):
    """Answers discord.py when it declares the menu; every language but Chinese reads English."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """The Chinese for a name or description; None where it is the same or unknown."""
        if locale not in CHINESE:
            return None
        said = string.extras.get("word") or messages.text(string.message, "zh-CN")
        return None if said == string.message else str(said)
