"""What ``doctor`` expects of the platforms is what the bot declares there."""

from typing import Any, cast

import discord
from discord import app_commands

from bot.chats.discord_.command_menu import add_commands
from bot.checks.platforms import discord_menu


def test_the_commands_that_doctor_expects_are_those_that_the_bot_declares() -> None:
    tree = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    add_commands(tree, cast(Any, None))  # who handles the commands does not matter here
    declared = {command.name for command in tree.get_commands(type=discord.AppCommandType.chat_input)}
    assert declared == discord_menu()
