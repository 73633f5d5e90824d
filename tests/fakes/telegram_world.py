"""The state of the fake Telegram: what the bot has sent, and what each of its requests changes."""

import json
from dataclasses import replace
from typing import Any

from tests.fakes.telegram_markup import keyboard, marked_parts
from tests.fakes.telegram_updates import Updates
from tests.fakes.telegram_values import BOT, GENERAL, GROUPS, Person, Refusal, Sent


class World(Updates):
    """Messages, menus and files, and the requests that change them; ``Updates`` has what people do."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[tuple[int, int], Sent] = {}
        self.history: list[Sent] = []
        self.menus: dict[tuple[int, str], list[Any]] = {}  # by private chat, 0 for all, GROUPS; and language
        self.blocked: set[int] = set()
        self.gone: set[int] = set()
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

    def texts(self, chat_id: int) -> list[str]:
        """The texts of the bot's messages in a chat, oldest first."""
        return [sent.text for sent in self.in_chat(chat_id)]

    def in_chat(self, chat_id: int) -> list[Sent]:
        """The bot's messages in a chat, oldest first."""
        return [self.messages[key] for key in sorted(key for key in self.messages if key[0] == chat_id)]

    # What the bot requests

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
        return self._keep(replace(new, has_spoiler=spoiler, entities=marked_parts(text, json.loads(marked))))

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
        entities = marked_parts(params["text"], json.loads(params.get("entities", "[]")))
        return self._change(old, replace(old, text=params["text"], entities=entities, **keyboard(params)))

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
            entities=marked_parts(media.get("caption", ""), media.get("caption_entities", [])),
            has_spoiler=media.get("has_spoiler", False),
            **keyboard(params),
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
            **keyboard(params),
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
