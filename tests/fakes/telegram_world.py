"""The state of the fake Telegram: people, groups, messages and the updates that wait for the bot."""

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

BOT = {"id": 700, "is_bot": True, "first_name": "Sugar", "username": "sugar_test_bot"}
GROUP_ANONYMOUS_BOT = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
GROUPS = -1  # the menu of all groups
GENERAL = 1  # the id of a forum's General topic, which sendMessage refuses


@dataclass(frozen=True)
class Person:
    """A person; their private chat has the same id."""

    id: int = 11
    name: str = "Member"
    language: str = "en"

    def user(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.name, "language_code": self.language}


@dataclass(frozen=True)
class Group:
    """A group, perhaps with topics."""

    id: int = -100_200
    is_forum: bool = False

    def chat(self) -> dict[str, Any]:
        return {"id": self.id, "type": "supergroup", "title": "Group", "is_forum": self.is_forum}


@dataclass(frozen=True)
class Sent:
    """A message of the bot in its present form.

    Attributes:
        kind: ``text``, ``photo`` or ``document``.
        buttons: Labels and data of the buttons that send data.
        rows: Labels of all buttons, row by row.
        styles: Styles of the buttons that have one, by label.
        copied: What the buttons copy, by label.
        links: What the buttons open, by label.
        entities: Kinds and marked parts of the text.
        files: The uploaded bytes.
        album: The media group it came in; empty outside albums.
    """

    chat_id: int
    message_id: int
    kind: str
    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    reply_to: int | None = None
    thread_id: int | None = None
    file: bytes = field(default=b"", repr=False)
    file_name: str = ""
    album: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    styles: tuple[tuple[str, str], ...] = ()
    copied: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    entities: tuple[tuple[str, str], ...] = ()
    has_spoiler: bool = False


@dataclass(eq=False)
class Refusal(Exception):
    """An error answer."""

    code: int
    description: str
    parameters: dict[str, int] = field(default_factory=dict)


class World:
    """Messages and updates, and the methods that change them."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.forgotten: list[int] = []
        self.next_update_id = 1000
        self.messages: dict[tuple[int, int], Sent] = {}
        self.history: list[Sent] = []
        self.menus: dict[tuple[int, str], list[Any]] = {}  # by private chat, 0 for all, GROUPS; and language
        self.started: set[int] = set()
        self.blocked: set[int] = set()
        self.gone: set[int] = set()
        self.migrated: dict[int, int] = {}
        self.closed_threads: set[int] = set()
        self.actions: list[tuple[int, str]] = []
        self.answered_presses: list[str] = []
        self.alerts: dict[str, str] = {}  # visible to the presser only, by press
        self.toasts: dict[str, str] = {}
        self.late_presses: set[str] = set()  # too old to be answered
        self.never_started: set[int] = set()  # people the bot may not write to first
        self.lost_file_ids: set[str] = set()
        self.older_than_two_days: set[int] = set()  # messages that Telegram does not delete any more
        self.uploads = 0
        self.reactions: dict[tuple[int, int], str] = {}  # the bot's own, by message
        self.no_reactions: set[int] = set()  # chats that allow none
        self.drafts: dict[int, list[str]] = {}  # every text of each private chat's draft
        self.inline_answers: dict[str, dict[str, Any]] = {}  # by inline query
        self.documents: dict[str, bytes] = {}  # files that people sent, by file id
        self.members: dict[int, dict[int, dict[str, Any]]] = {}  # as groups see them
        self.unreadable: set[str] = set()  # of these, files whose content is lost
        self._next_message_id = 100
        self._next_press = 1

    # What people do

    def say(
        self,
        text: str,
        *,
        by: Person = Person(),
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
            **_words("text" if content is None else "caption", text),
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

    def add_to(
        self, group: Group, *, by: Person = Person(), status: str = "member", was: str = "left"
    ) -> None:
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

    def press(self, sent: Sent, label: str, *, by: Person = Person(), answers: Person | None = None) -> str:
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

    def ask_inline(self, query: str, *, by: Person = Person(), offset: str = "") -> str:
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

    def texts(self, chat_id: int) -> list[str]:
        """The texts of the bot's messages in a chat, oldest first."""
        return [sent.text for sent in self.in_chat(chat_id)]

    def in_chat(self, chat_id: int) -> list[Sent]:
        """The bot's messages in a chat, oldest first."""
        return [self.messages[key] for key in sorted(key for key in self.messages if key[0] == chat_id)]

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

    def get_me(self) -> dict[str, Any]:
        return BOT | {"can_join_groups": True, "can_read_all_group_messages": False}

    def set_commands(self, params: dict[str, str]) -> bool:
        self.menus[self._menu(params)] = json.loads(params["commands"])
        return True

    def delete_commands(self, params: dict[str, str]) -> bool:
        self.menus.pop(self._menu(params), None)
        return True

    def get_commands(self, params: dict[str, str]) -> list[Any]:
        return self.menus.get(self._menu(params), [])

    def get_member(self, params: dict[str, str]) -> dict[str, Any]:
        """What a group says of a person; the bot sees others only where it is an administrator."""
        group = self.members.get(int(params["chat_id"]))
        if group is None:
            raise Refusal(400, "Bad Request: chat not found")
        user_id = int(params["user_id"])
        return {"user": Person(user_id).user(), **group.get(user_id, {"status": "left"})}

    def act(self, params: dict[str, str]) -> bool:
        self.actions.append((self._reachable(params), params["action"]))
        return True

    def answer_press(self, params: dict[str, str]) -> bool:
        query_id = params["callback_query_id"]
        if query_id in self.late_presses:
            raise Refusal(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        self.answered_presses.append(query_id)
        if params.get("text"):
            shown = self.alerts if params.get("show_alert") == "true" else self.toasts
            shown[query_id] = params["text"]
        return True

    def react(self, params: dict[str, str]) -> bool:
        chat_id = self._reachable(params)
        if chat_id in self.no_reactions:
            raise Refusal(400, "Bad Request: REACTION_INVALID")
        emoji = "".join(each["emoji"] for each in json.loads(params.get("reaction", "[]")))
        self.reactions[chat_id, int(params["message_id"])] = emoji
        return True

    def draft(self, params: dict[str, str]) -> bool:
        chat_id = self._reachable(params)
        if chat_id < 0:
            raise Refusal(400, "Bad Request: method is available for private chats only")
        self.drafts.setdefault(chat_id, []).append(params.get("text", ""))
        return True

    def answer_inline(self, params: dict[str, str]) -> bool:
        query_id = params["inline_query_id"]
        if query_id in self.late_presses:
            raise Refusal(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        for result in json.loads(params["results"]):
            self._file(result["photo_file_id"], {})
        self.inline_answers[query_id] = params | {"results": json.loads(params["results"])}
        return True

    def find_document(self, params: dict[str, str]) -> dict[str, Any]:
        """The path of a file that a person sent; bots may read 20 MB at most."""
        file_id = params["file_id"]
        content = self.documents.get(file_id)
        if content is None:
            raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(content) > 20_000_000:
            raise Refusal(400, "Bad Request: file is too big")
        return {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_path": f"documents/{file_id}"}

    def delete(self, params: dict[str, str]) -> bool:
        old = self._old(params, gone="message to delete not found")
        if old.message_id in self.older_than_two_days:
            raise Refusal(400, "Bad Request: message can't be deleted for everyone")
        del self.messages[old.chat_id, old.message_id]
        return True

    def send(self, kind: str, params: dict[str, str], files: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
        """sendMessage, sendPhoto and sendDocument."""
        name, content = ("", b"") if kind == "text" else self._file(params.get(kind, kind), files)
        text = params["text"] if kind == "text" else params.get("caption", "")
        new = self._new(params, kind, text, content, name)
        spoiler = params.get("has_spoiler") == "true"
        marked = params.get("entities" if kind == "text" else "caption_entities", "[]")
        return self._keep(replace(new, has_spoiler=spoiler, entities=_marked(text, json.loads(marked))))

    def send_album(self, params: dict[str, str], files: dict[str, tuple[str, bytes]]) -> list[dict[str, Any]]:
        album = f"album{self._next_message_id}"
        sent = []
        for item in json.loads(params["media"]):
            name, content = self._file(item["media"], files)
            new = self._new(params, item["type"], item.get("caption", ""), content, name)
            sent.append(replace(new, album=album, has_spoiler=item.get("has_spoiler", False)))
        return [self._keep(each) for each in sent]

    def edit_text(self, params: dict[str, str]) -> dict[str, Any]:
        old = self._old(params)
        if old.kind != "text":
            raise Refusal(400, "Bad Request: there is no text in the message to edit")
        entities = _marked(params["text"], json.loads(params.get("entities", "[]")))
        return self._change(old, replace(old, text=params["text"], entities=entities, **_keyboard(params)))

    def edit_media(self, params: dict[str, str], files: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
        old = self._old(params)
        media = json.loads(params["media"])
        name, content = self._file(media["media"], files)
        new = replace(
            old,
            kind=media["type"],
            text=media.get("caption", ""),
            file=content,
            file_name=name,
            entities=_marked(media.get("caption", ""), media.get("caption_entities", [])),
            has_spoiler=media.get("has_spoiler", False),
            **_keyboard(params),
        )
        return self._change(old, new)

    def _menu(self, params: dict[str, str]) -> tuple[int, str]:
        """The key of a menu; Telegram knows a private chat once the person wrote there."""
        scope = json.loads(params.get("scope", "{}"))
        chat_id = GROUPS if scope.get("type") == "all_group_chats" else scope.get("chat_id", 0)
        if chat_id not in (0, GROUPS, *self.started):
            raise Refusal(400, "Bad Request: chat not found")
        return chat_id, params.get("language_code", "")

    def _new(self, params: dict[str, str], kind: str, text: str, content: bytes, name: str) -> Sent:
        chat_id = self._reachable(params)
        thread_id = int(params["message_thread_id"]) if "message_thread_id" in params else None
        if thread_id == GENERAL or thread_id in self.closed_threads:
            raise Refusal(400, "Bad Request: message thread not found")
        reply = json.loads(params.get("reply_parameters", "{}")).get("message_id")
        return Sent(
            chat_id,
            self._new_message_id(),
            kind,
            text,
            reply_to=reply,
            thread_id=thread_id,
            file=content,
            file_name=name,
            **_keyboard(params),
        )

    def _file(self, media: str, files: dict[str, tuple[str, bytes]]) -> tuple[str, bytes]:
        """An uploaded part, or a file that was sent before, by its id."""
        part = media.removeprefix("attach://")
        if part in files:
            self.uploads += 1
            return files[part]
        known = next((sent for sent in self.history if sent.file and f"f{sent.message_id}" == media), None)
        if known is None or media in self.lost_file_ids:
            raise Refusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
        return known.file_name, known.file

    def _old(self, params: dict[str, str], gone: str = "message to edit not found") -> Sent:
        old = self.messages.get((self._reachable(params), int(params["message_id"])))
        if old is None:
            raise Refusal(400, f"Bad Request: {gone}")
        return old

    def _change(self, old: Sent, new: Sent) -> dict[str, Any]:
        if old == new:
            raise Refusal(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message",
            )
        return self._keep(new)

    def _reachable(self, params: dict[str, str]) -> int:
        chat_id = int(params["chat_id"])
        if chat_id in self.migrated:
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": self.migrated[chat_id]},
            )
        if chat_id in self.gone:
            raise Refusal(400, "Bad Request: chat not found")
        if chat_id in self.never_started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        if chat_id in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        return chat_id

    def _keep(self, sent: Sent) -> dict[str, Any]:
        self.messages[sent.chat_id, sent.message_id] = sent
        self.history.append(sent)
        chat_type = "supergroup" if sent.chat_id < 0 else "private"
        message: dict[str, Any] = {
            "message_id": sent.message_id,
            "date": 1_790_000_000,
            "chat": {"id": sent.chat_id, "type": chat_type},
            "from": BOT,
        }
        if sent.kind == "text":
            return message | {"text": sent.text}
        known = {"file_id": f"f{sent.message_id}", "file_unique_id": f"u{sent.message_id}"}
        if sent.kind == "document":
            return message | {"caption": sent.text, "document": known}
        return message | {"caption": sent.text, "photo": [known | {"width": 64, "height": 64}]}

    def _new_message_id(self) -> int:
        self._next_message_id += 1
        return self._next_message_id


def _words(field: str, text: str) -> dict[str, Any]:
    """Text or a caption with its entities; a message without words has neither."""
    if field == "caption" and not text:
        return {}
    entities = "entities" if field == "text" else "caption_entities"
    return {field: text, entities: _entities(text)}


def _keyboard(params: dict[str, str]) -> dict[str, Any]:
    """The fields of ``Sent`` that describe buttons."""
    rows = json.loads(params.get("reply_markup", "{}")).get("inline_keyboard", [])
    flat = [button for row in rows for button in row]
    return {
        "buttons": tuple((each["text"], each["callback_data"]) for each in flat if "callback_data" in each),
        "rows": tuple(tuple(button["text"] for button in row) for row in rows),
        "styles": tuple((each["text"], each["style"]) for each in flat if "style" in each),
        "copied": tuple((each["text"], each["copy_text"]["text"]) for each in flat if "copy_text" in each),
        "links": tuple((each["text"], each["url"]) for each in flat if "url" in each),
    }


def _marked(text: str, entities: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The kinds of entities and the parts of the text that they mark."""
    units = text.encode("utf-16-le")
    found = []
    for each in entities:
        start, end = 2 * each["offset"], 2 * (each["offset"] + each["length"])
        if end > len(units):
            raise Refusal(400, "Bad Request: entity beyond the end of the text")
        found.append((each["type"], units[start:end].decode("utf-16-le")))
    return tuple(found)


def _entities(text: str) -> list[dict[str, Any]]:
    found = [("bot_command", match) for match in re.finditer(r"^/\w+(@\w+)?", text)]
    found += [("mention", match) for match in re.finditer(r"(?<![\w/])(?<!\w)@\w+", text)]
    return [
        {"type": kind, "offset": _units(text[: match.start()]), "length": _units(match[0])}
        for kind, match in found
    ]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
