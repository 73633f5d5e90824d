"""Where an answer goes in Telegram, and how the store keeps that as an ``Address``."""

import json
from dataclasses import dataclass

from bot.outcomes import Address, Platform


@dataclass(frozen=True, slots=True)
class ChatAddress:
    """A chat, and the messages in it that belong to one answer.

    Attributes:
        chat_id: Telegram's id; negative for groups.
        reply_to: Id of the person's message, or of the message whose button the person pressed.
        thread_id: Id of the forum topic. None outside topics and in General, where Telegram refuses an id.
        message_id: Id of our placeholder, once it is sent.
        album: Ids of the picture messages of an album that is already sent.
        is_album_in_flight: The album request has started. After a crash the album may have arrived.
    """

    chat_id: int
    reply_to: int | None = None
    thread_id: int | None = None
    message_id: int | None = None
    album: tuple[int, ...] = ()
    is_album_in_flight: bool = False

    @property
    def is_group(self) -> bool:
        """Whether several people read this chat. Telegram gives groups negative ids and tighter limits."""
        return self.chat_id < 0

    def to_address(self) -> Address:
        """Write this as the desk stores it."""
        fields = {
            "reply": self.reply_to,
            "thread": self.thread_id,
            "message": self.message_id,
            "album": list(self.album) or None,
            "sending": self.is_album_in_flight or None,
            "chat": self.chat_id,
        }
        ref = json.dumps({key: value for key, value in fields.items() if value is not None})
        return Address(Platform.TELEGRAM, str(self.chat_id), ref)

    @classmethod
    def parse(cls, address: Address) -> "ChatAddress":
        """Read what ``to_address`` wrote.

        A group that became a supergroup has a new chat id, and its messages have new ids. The result then
        leaves out the message ids of the old group.
        """
        fields = json.loads(address.ref or "{}")
        if fields.get("chat", int(address.chat_id)) != int(address.chat_id):
            return cls(int(address.chat_id), album=tuple(fields.get("album", ())))
        return cls(
            chat_id=int(address.chat_id),
            reply_to=fields.get("reply"),
            thread_id=fields.get("thread"),
            message_id=fields.get("message"),
            album=tuple(fields.get("album", ())),
            is_album_in_flight=fields.get("sending", False),
        )
