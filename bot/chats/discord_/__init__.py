"""Discord, through discord.py: commands, buttons and messages in; answers and pictures out.

The entry point is ``DiscordChat(DiscordConfig(…), desk)``, a ``bot.chats.contract.Chat``. The package knows
Discord and the messages; it knows no database, card or model, and it decides no right. It requests no
privileged intent.

* ``adapter``            ``DiscordChat``: opens, serves, closes; connects the parts below
* ``client``             the discord.py client of the bot
* ``command_menu``       the slash commands, made from the command table
* ``incoming``           events: sorted, stored, parsed, handled and answered
* ``outgoing``           messages: placeholders, results, answers, and the address of each
* ``limits``             the limits that Discord enforces by banning a bot
* ``library_internals``  the parts of discord.py that its documentation does not promise

The path of a command: ``command_menu`` → ``incoming.interactions`` (parse, store, acknowledge) → desk →
``outgoing.placeholders`` (receipt, progress) → ``outgoing.delivery`` (pictures).

After a crash the database has everything: events without an answer, and the address of each answer with its
token. A button contains its command, so it works after a restart. Edits and nonces make a second delivery
show nothing twice. A placeholder that waits twelve minutes moves to an ordinary message, because Discord
allows no edit of a response after fifteen minutes.

How the bot handles each kind of event (made from ``incoming.event_kinds``):

Answered:
* text in a direct message: a sentence is drawn, a command runs like in the menu; a reply to a picture is
  about it; one reply
* a channel message that mentions the bot, a reply with its mention on: the same; the bot refuses /mine, /link
  and private pictures in public
* a .safetensors file, in a direct message or with a mention: a host is offered to add it, others learn how
  hosts do
* a picture, sticker, voice message, poll, forward or file, in the same places: the bot accepts only text, and
  says so; also if text is beside it
* a slash command, in a server, a direct message or a person's own install: pictures in the channel; all else
  and every refusal for the person alone
* an entry of the context menu of a message: a form about the bot's own picture, or a refusal for the person
  alone
* a command or an entry of an older menu: the command does not exist; for the person alone
* a press of Cancel, of Delete, of another page: its own message changes or goes; a refusal for the presser
  alone
* a press of Edit: a form with the text of the job; a refusal for the presser alone
* a press of any other button of the bot, a choice of its lists: a new answer, as visible as the message; a
  refusal for the presser alone
* a button or list of another version: it belongs to another version; for the presser alone
* a sent form: like the command that it makes; a refusal gives the typed text back
* an option that a person types (autocomplete): suggestions, or an empty list
Ignored:
* a channel message without a mention, with @everyone or a role: it is not meant for the bot, and Discord
  withholds its text
* a message of a bot or a webhook, our own included: two bots would answer each other without end
* a system message: joined, pinned, boosted, called, thread made: no person wrote it
* an edited or deleted message: the bot answered the first version; link previews arrive as edits, too
* an event that Discord sends twice: the bot answers it once
* an interaction that the bot can no longer acknowledge: Discord has shown an error; the bot accepts and
  charges nothing
* an event that does not match Discord's documentation, an unknown kind: nobody can be answered; logged

Tests of this package alone: ``pytest tests/integration/discord tests/unit/bot/chats/discord_``. The first use
the real discord.py against a fake server.
"""

from bot.chats.discord_.adapter import DiscordChat, DiscordConfig

__all__ = ["DiscordChat", "DiscordConfig"]
