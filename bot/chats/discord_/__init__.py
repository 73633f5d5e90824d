"""Discord: commands, buttons and messages in; answers, edited in place, and messages out; on discord.py.

The door is ``DiscordChat(DiscordConfig(…), desk)``, a ``bot.chats.contract.Chat``. The room knows Discord and
the words; it knows no database, card or model, and decides no right. It asks for no privileged intent.

* in   ``menu`` declares the commands, ``incoming`` answers them and the buttons, ``reading`` understands
       them, ``events`` sorts everything that arrives and answers plain messages, ``intake`` stores what is to
       be answered before it is acknowledged
* out  ``delivery`` brings results, ``letters`` sends, ``pace`` holds edits back, ``enclose`` fits pictures in
* ``client`` and ``adapter`` hold the connection; ``address`` is where an answer stands; ``limits`` keeps us
  from what Discord bans a bot for

What survives a crash is in the database: events that were not answered yet, and the address of each answer,
token included. Buttons carry their command, so they work after a restart; edits and nonces make a second
delivery show nothing twice. An answer that waits twelve minutes goes on as an ordinary message, because
Discord lets nobody edit it after fifteen.

What becomes of everything that Discord sends (made from ``events.kinds``):

Answered:
* text in a direct message: a sentence draws, a command does what its slash command does; one reply
* a channel message that mentions the bot, a reply with its mention on: the same; /mine, /link and private
  pictures are refused where others read along
* a .safetensors file, sent directly or with a mention: how a host adds a LoRA
* a picture, sticker, voice message, poll, forward or file, likewise: only text is accepted as input yet; also
  with text beside it, for it may matter
* a slash command, in a server, directly or in a person's own install: pictures in the channel, all else and
  every refusal to the person alone
* a command of an older menu, a context menu: there is no such command; to the person alone
* a press of Cancel: its own message ends as cancelled; a refusal goes to the presser alone
* a press of Reroll: a new answer, as visible as the message; a refusal goes to the presser alone
* any other button or list, also of another version: it belongs to another version; to the presser alone
* a submitted form: the same; we show no forms
* an option being typed (autocomplete): suggestions, none at worst
Ignored on purpose:
* a channel message without a mention, with @everyone or a role: not meant for the bot, and Discord withholds
  its text
* a message of a bot or a webhook, our own included: two bots would answer each other for ever
* a system message: joined, pinned, boosted, called, thread made: nobody wrote it
* an edited or deleted message: its first wording was answered; link previews arrive as edits, too
* an event that Discord sends twice: it is answered once
* an interaction that Discord no longer lets us acknowledge: Discord has told the person so; nothing is
  accepted or charged
* an event that is not as Discord describes it, an unknown kind: nobody can be answered; logged

Tests of this room alone: ``pytest tests/integration/discord`` (real discord.py against a server of ours).
"""

from bot.chats.discord_.adapter import DiscordChat, DiscordConfig

__all__ = ["DiscordChat", "DiscordConfig"]
