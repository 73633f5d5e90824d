"""Discord: slash commands and buttons in; answers, edited in place, and messages out. Built on discord.py.

The door is ``DiscordChat(DiscordConfig(…), desk)``, a ``bot.chats.contract.Chat``. The room knows Discord and
the words; it knows no database, card or model, and decides no right.

* in   ``menu`` declares the commands, ``incoming`` answers them and the buttons, ``reading`` understands
       them, ``intake`` stores what asks for pictures before it is acknowledged
* out  ``delivery`` brings parcels, ``letters`` sends, ``pace`` holds edits back, ``enclose`` fits pictures in
* ``client`` and ``adapter`` hold the connection; ``address`` is where an answer stands; ``limits`` keeps us
  from what Discord bans a bot for

What survives a crash is in the database: interactions that were not answered yet, and the address of each
answer, token included. Buttons carry their command, so they work after a restart; edits and nonces make a
second delivery show nothing twice. An answer that waits twelve minutes goes on as an ordinary message,
because Discord lets nobody edit it after fifteen.

Tests of this room alone: ``pytest tests/integration/discord`` (real discord.py against a server of ours).
"""

from bot.chats.discord_.adapter import DiscordChat, DiscordConfig

__all__ = ["DiscordChat", "DiscordConfig"]
