"""The address of one answer: where it is, what the bot can do there, and its JSON form in the database.

An answer starts as the response to an interaction (``Response``) or as an ordinary message that is not sent
yet (``UnsentMessage``). It ends as a message of the bot (``SentMessage``), or it stays a response::

    Response:       EDITABLE ──12 min──▶ EXPIRING ──14.5 min──▶ CLOSED
                                            │                     │
    UnsentMessage:  UNSENT ─────────────────┴────────▶ SENT ◀─────┘
"""

import json
from dataclasses import asdict, dataclass, field, replace
from enum import Enum, auto

TOKEN_LIFE_MS = 15 * 60 * 1000  # Discord, Receiving and Responding to Interactions: validity of a token
MARGIN_MS = 30 * 1000  # an upload that starts this long before the end still finishes in time
MOVE_AFTER_MS = 12 * 60 * 1000  # an answer that waits this long moves to an ordinary message
DEFAULT_FILE_BYTES = 10 * 1024 * 1024  # Discord's limit for one file unless an interaction names another


class AnswerState(Enum):
    """What the bot can do with an answer now.

    EDITABLE  a response that the bot can edit
    EXPIRING  a response that the bot can edit for a short time only: it must move to an ordinary message
    CLOSED    a response whose token has expired: only a new message can continue it
    UNSENT    an ordinary message that is not sent yet
    SENT      an ordinary message; the bot can edit it at any time
    """

    EDITABLE = auto()
    EXPIRING = auto()
    CLOSED = auto()
    UNSENT = auto()
    SENT = auto()


CAN_BE_EDITED = frozenset({AnswerState.EDITABLE, AnswerState.EXPIRING, AnswerState.SENT})
MUST_BE_SENT = frozenset({AnswerState.EXPIRING, AnswerState.CLOSED, AnswerState.UNSENT})


@dataclass(frozen=True, slots=True)
class Response:
    """The response to an interaction; its token allows edits for 15 minutes.

    Attributes:
        token: Anyone who has it can edit the response, so logs never contain it.
        created_ms: When the interaction was made, UTC.
        message_id: 0 while it is unknown.
    """

    application_id: int
    token: str = field(repr=False)
    created_ms: int
    message_id: int = 0

    def state_at(self, now_ms: int) -> AnswerState:
        """The state by the age of the token."""
        age_ms = now_ms - self.created_ms
        if age_ms >= TOKEN_LIFE_MS - MARGIN_MS:
            return AnswerState.CLOSED
        return AnswerState.EXPIRING if age_ms >= MOVE_AFTER_MS else AnswerState.EDITABLE


@dataclass(frozen=True, slots=True)
class UnsentMessage:
    """An ordinary message that is not sent yet; ``reply_to`` is the person's message, or 0."""

    reply_to: int = 0


@dataclass(frozen=True, slots=True)
class SentMessage:
    """An ordinary message of the bot.

    Attributes:
        reply_to: The person's message, or 0.
        moved_from: The response that does not yet show that the answer moved to this message.
    """

    message_id: int
    reply_to: int = 0
    moved_from: Response | None = None


NO_RESPONSE = Response(application_id=0, token="", created_ms=0)
"""For a result without a placeholder: like a response whose token has expired."""


@dataclass(frozen=True, slots=True)
class AnswerAddress:
    """Where the answer to one request is, or where it will be.

    Attributes:
        user_id: The person who asked.
        channel_id: 0 if Discord named no channel.
        is_private: Only the person may see the answer; the bot must not send it to the channel.
        file_bytes: The largest file that the answer can carry.
        may_send: The bot may write ordinary messages in the channel, as far as Discord said.
        may_attach: The bot may attach files to them.
        is_shared: Others can read along: the bot edits the answer a few times only.
    """

    target: Response | UnsentMessage | SentMessage
    user_id: int
    channel_id: int
    is_private: bool = False
    file_bytes: int = DEFAULT_FILE_BYTES
    may_send: bool = True
    may_attach: bool = True
    is_shared: bool = False

    def state_at(self, now_ms: int) -> AnswerState:
        """What the bot can do with the answer at this time."""
        match self.target:
            case Response() as response:
                return response.state_at(now_ms)
            case UnsentMessage():
                return AnswerState.UNSENT
            case SentMessage():
                return AnswerState.SENT

    @property
    def is_message(self) -> bool:
        """Whether the answer is an ordinary message, sent or not, and not a response."""
        return not isinstance(self.target, Response)

    @property
    def can_move_to_channel(self) -> bool:
        """Whether the answer may become an ordinary message in its channel."""
        return bool(self.channel_id) and self.may_send and not self.is_private

    @property
    def reply_to(self) -> int:
        """The person's message that a message of the bot replies to, or 0."""
        return 0 if isinstance(self.target, Response) else self.target.reply_to

    def outdated_response(self, now_ms: int) -> "AnswerAddress | None":
        """The response that must still show that the answer moved, if the bot can edit it."""
        response = self.target.moved_from if isinstance(self.target, SentMessage) else None
        if response is None or response.state_at(now_ms) is AnswerState.CLOSED:
            return None
        return replace(self, target=response)

    def left_in_channel(self) -> "AnswerAddress | None":
        """Return the message of a response in its channel; None if it is private or its id is unknown.

        The bot can edit it like its other messages after the token has expired.
        """
        if not isinstance(self.target, Response) or self.is_private:
            return None
        message_id = self.target.message_id
        return replace(self, target=SentMessage(message_id)) if message_id and self.channel_id else None

    def unsent(self) -> "AnswerAddress":
        """The same answer as a new message in its channel."""
        return replace(self, target=UnsentMessage(self.reply_to))

    def unsent_direct(self, channel_id: int) -> "AnswerAddress":
        """The same answer as a new message in the channel between the bot and the person."""
        target = UnsentMessage()
        return replace(
            self, target=target, channel_id=channel_id, may_send=True, may_attach=True, is_shared=False
        )

    def sent_as(self, message_id: int) -> "AnswerAddress":
        """The same answer, now that the bot has sent it as this message."""
        response = self.target if isinstance(self.target, Response) and self.target.message_id else None
        # An interaction may allow its person larger files than a message of the bot can carry.
        file_bytes = min(self.file_bytes, DEFAULT_FILE_BYTES)
        return replace(self, target=SentMessage(message_id, self.reply_to, response), file_bytes=file_bytes)

    def with_outdated_response_edited(self) -> "AnswerAddress":
        """The same answer, now that its response shows that the answer moved."""
        if not isinstance(self.target, SentMessage):
            return self
        return replace(self, target=replace(self.target, moved_from=None))

    def to_json(self) -> str:
        """The JSON that ``from_json`` reads."""
        message_id, moved_from_id, response = 0, 0, NO_RESPONSE
        if isinstance(self.target, Response):
            response, message_id = self.target, self.target.message_id
        elif isinstance(self.target, SentMessage):
            message_id = self.target.message_id
            if self.target.moved_from is not None:
                response, moved_from_id = self.target.moved_from, self.target.moved_from.message_id
        stored = _StoredAddress(
            application_id=response.application_id,
            token=response.token,
            created_ms=response.created_ms,
            channel_id=self.channel_id,
            message_id=message_id,
            ephemeral=self.is_private,
            user_id=self.user_id,
            file_bytes=self.file_bytes,
            posted=self.is_message,
            may_post=self.may_send,
            may_attach=self.may_attach,
            answer_id=moved_from_id,
            reply_to=self.reply_to,
            shared=self.is_shared,
        )
        return json.dumps(asdict(stored), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "AnswerAddress":
        """Read what ``to_json`` wrote, in this version or an earlier one.

        Raises:
            ValueError: The text is no address of a Discord answer.
        """
        try:
            stored = _StoredAddress(**json.loads(text))
        except TypeError as error:
            raise ValueError("not an address of a Discord answer") from error
        return cls(
            target=stored.target(),
            user_id=stored.user_id,
            channel_id=stored.channel_id,
            is_private=stored.ephemeral,
            file_bytes=stored.file_bytes,
            may_send=stored.may_post,
            may_attach=stored.may_attach,
            is_shared=stored.shared,
        )


@dataclass(frozen=True, slots=True)
class _StoredAddress:
    """The keys of the JSON. Databases contain them, so their names and meanings never change."""

    application_id: int
    token: str = field(repr=False)
    created_ms: int
    channel_id: int
    message_id: int
    ephemeral: bool
    user_id: int
    file_bytes: int = DEFAULT_FILE_BYTES
    posted: bool = False
    may_post: bool = True
    may_attach: bool = True
    answer_id: int = 0
    reply_to: int = 0
    shared: bool = False

    def target(self) -> Response | UnsentMessage | SentMessage:
        """Return where the answer is, or will be: in the response, or in an ordinary message."""
        response = Response(self.application_id, self.token, self.created_ms, self.message_id)
        if not self.posted:
            return response
        if not self.message_id:
            return UnsentMessage(self.reply_to)
        moved_from = replace(response, message_id=self.answer_id) if self.answer_id else None
        return SentMessage(self.message_id, self.reply_to, moved_from)
