"""Where an answer stands in Telegram, and how that is kept in an ``Address``."""

import json
from dataclasses import dataclass

from bot.outcomes import Address, Platform


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a chat.

    Attributes:
        chat_id: Telegram's id; negative for groups.
        reply_to: The person's message, or the message whose button was pressed.
        thread_id: The forum topic; None outside topics and in General, where Telegram wants it left out.
        message_id: Our placeholder, once it was sent.
        album: Message ids of pictures already sent as an album.
        is_sending: An album is being sent; found after a crash, nobody knows whether it arrived.
    """

    chat_id: int
    reply_to: int | None = None
    thread_id: int | None = None
    message_id: int | None = None
    album: tuple[int, ...] = ()
    is_sending: bool = False

    @property
    def is_group(self) -> bool:
        """Whether several people read here; Telegram gives groups negative ids and tighter limits."""
        return self.chat_id < 0

    def address(self) -> Address:
        """Write the place as the desk stores it."""
        facts = {
            "reply": self.reply_to,
            "thread": self.thread_id,
            "message": self.message_id,
            "album": list(self.album) or None,
            "sending": self.is_sending or None,
            "chat": self.chat_id,
        }
        ref = json.dumps({key: value for key, value in facts.items() if value is not None})
        return Address(Platform.TELEGRAM, str(self.chat_id), ref)

    @classmethod
    def of(cls, address: Address) -> "Place":
        """Read back what ``address`` wrote.

        A group that became a supergroup has another id meanwhile, and its messages have other ids: those of
        the old group are left out.
        """
        facts = json.loads(address.ref or "{}")
        if facts.get("chat", int(address.chat_id)) != int(address.chat_id):
            return cls(int(address.chat_id), album=tuple(facts.get("album", ())))
        return cls(
            chat_id=int(address.chat_id),
            reply_to=facts.get("reply"),
            thread_id=facts.get("thread"),
            message_id=facts.get("message"),
            album=tuple(facts.get("album", ())),
            is_sending=facts.get("sending", False),
        )
