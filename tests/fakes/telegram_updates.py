"""What people do in the fake Telegram, and the updates that wait for the bot because of it."""

from typing import Any

from tests.fakes.telegram_markup import words
from tests.fakes.telegram_values import BOT, GENERAL, GROUP_ANONYMOUS_BOT, MEMBER, Group, Person, Sent


class Updates:
    """The updates, the methods that queue one, and the offsets that confirm them."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.forgotten: list[int] = []
        self.next_update_id = 1000
        self.started: set[int] = set()
        self.migrated: dict[int, int] = {}
        self._next_message_id = 100
        self._next_press = 1

    # What people do

    def say(
        self,
        text: str,
        *,
        by: Person = MEMBER,
        group: Group | None = None,
        reply_to: Sent | None = None,
        topic: int | None = None,
        update_id: int | None = None,
        edited: bool = False,
        content: dict[str, Any] | None = None,
        as_chat: bool = False,
        replied_content: dict[str, Any] | None = None,
        **more: Any,
    ) -> int:
        """A person writes; returns the message's id.

        Args:
            content: The content of the message; ``text`` is then its caption.
            as_chat: The group is the sender, as for anonymous administrators.
            replied_content: What the message that this one replies to contains; a person sent that.
        """
        message_id = self._new_message_id()
        if group is None:
            self.started.add(by.id)
        message: dict[str, Any] = {
            "message_id": message_id,
            "date": 1_790_000_000,
            "chat": group.chat() if group else {"id": by.id, "type": "private", "first_name": by.name},
            "from": by.user(),
            **words("text" if content is None else "caption", text),
            **(content or {}),
            **more,
        }
        if edited:
            message["edit_date"] = 1_790_000_060
        if as_chat:
            message |= {"from": GROUP_ANONYMOUS_BOT, "sender_chat": message["chat"]}
        if topic is not None:
            message |= {"message_thread_id": topic, "is_topic_message": topic != GENERAL}
        if reply_to is not None:
            message["reply_to_message"] = {
                "message_id": reply_to.message_id,
                "date": 1_790_000_000,
                "chat": message["chat"],
                "from": BOT if replied_content is None else by.user(),
                **({"text": reply_to.text} if replied_content is None else replied_content),
            }
        self.push({"edited_message" if edited else "message": message}, update_id)
        return message_id

    def add_to(self, group: Group, *, by: Person = MEMBER, status: str = "member", was: str = "left") -> None:
        """The bot's own membership changes."""
        user = {"user": BOT, "until_date": 0}
        change = {"old_chat_member": user | {"status": was}, "new_chat_member": user | {"status": status}}
        self.push(
            {"my_chat_member": {"chat": group.chat(), "from": by.user(), "date": 1_790_000_000, **change}}
        )

    def migrate(self, old: int, new: int, *, service_field: str = "migrate_to_chat_id") -> None:
        """A group becomes a supergroup, and ``service_field`` chooses its service message."""
        self.migrated[old] = new
        chat_id, other = (old, new) if service_field == "migrate_to_chat_id" else (new, old)
        kind = "group" if chat_id == old else "supergroup"
        chat = {"id": chat_id, "type": kind, "title": "Group"}
        message = {"message_id": self._new_message_id(), "date": 1_790_000_000, "chat": chat, "from": BOT}
        self.push(
            {"message": message | {"from": GROUP_ANONYMOUS_BOT, "sender_chat": chat, service_field: other}}
        )

    def press(self, sent: Sent, label: str, *, by: Person = MEMBER, answers: Person | None = None) -> str:
        """A person presses the button with this label; returns the query's id.

        ``answers`` wrote the message that ours replies to.
        """
        data = dict(sent.buttons)[label]
        query_id = f"q{self._next_press}"
        self._next_press += 1
        chat = Group(sent.chat_id).chat() if sent.chat_id < 0 else {"id": sent.chat_id, "type": "private"}
        message: dict[str, Any] = {
            "message_id": sent.message_id,
            "date": 1_790_000_000,
            "chat": chat,
            "from": BOT,
        }
        if sent.thread_id is not None:
            message |= {"message_thread_id": sent.thread_id, "is_topic_message": True}
        if answers is not None:
            asked = {"message_id": 1, "date": 1_790_000_000, "chat": chat, "from": answers.user()}
            message["reply_to_message"] = asked
        self.push(
            {
                "callback_query": {
                    "id": query_id,
                    "from": by.user(),
                    "message": message,
                    "chat_instance": "c",
                    "data": data,
                }
            }
        )
        return query_id

    def ask_inline(self, query: str, *, by: Person = MEMBER, offset: str = "") -> str:
        """A person types after the bot's name; returns the query's id."""
        query_id = f"i{self._next_press}"
        self._next_press += 1
        content = {"id": query_id, "from": by.user(), "query": query, "offset": offset}
        self.push({"inline_query": content | {"chat_type": "group"}})
        return query_id

    def push(self, content: dict[str, Any], update_id: int | None = None) -> None:
        """Queue an update; after a quiet week ``update_id`` can be any number."""
        self.next_update_id = update_id if update_id is not None else self.next_update_id
        self.updates.append({"update_id": self.next_update_id, **content})
        self.next_update_id += 1

    # What the bot requests

    def forget_below(self, offset: int) -> None:
        """Delete the updates below a positive offset: they are confirmed."""
        self.forgotten += [each["update_id"] for each in self.updates if each["update_id"] < offset]
        self.updates = [each for each in self.updates if each["update_id"] >= offset]

    def waiting(self, params: dict[str, str]) -> list[dict[str, Any]]:
        """The updates that one getUpdates returns, oldest first."""
        offset = int(params.get("offset", 0))
        waiting = [each for each in self.updates if each["update_id"] >= offset]
        return waiting[offset if offset < 0 else 0 :][: int(params.get("limit", 100))]

    def _new_message_id(self) -> int:
        self._next_message_id += 1
        return self._next_message_id
