"""Where a Discord answer stands, as the JSON that the database keeps between acceptance and delivery.

An answer begins as an interaction's response, editable with its token for 15 minutes. What had to be sent
later is an ordinary message of the bot (``posted``), editable for ever. The answer to a message is ``posted``
from the start; its ``message_id`` is 0 until it is sent.
"""

import json
import sys
from dataclasses import asdict, dataclass, field, replace

TOKEN_LIFE_MS = (
    15 * 60 * 1000
)  # Discord, Receiving and Responding to Interactions: a token is valid for 15 minutes
MARGIN_MS = 30 * 1000  # an upload that starts now still ends in time
MOVE_ON_MS = 12 * 60 * 1000  # an answer that waits this long goes on as an ordinary message
DEFAULT_FILE_BYTES = 10 * 1024 * 1024  # Discord's limit for one file where no interaction names another


@dataclass(frozen=True, slots=True)
class Ref:
    """The place of one answer; ``message_id`` is 0 while it is not known.

    Attributes:
        token: The interaction's; whoever has it can edit the answer, so it is never logged.
        created_ms: When the interaction was made, UTC.
        channel_id: 0 where Discord did not name a channel that we know.
        ephemeral: Only the person sees the answer; nothing of it may go to the channel.
        file_bytes: The largest file that the answer may carry.
        posted: The answer is an ordinary message in ``channel_id``; the token matters to ``answer_id`` alone.
        may_post: Discord said when it was asked that we may write ordinary messages in ``channel_id``.
        may_attach: Likewise, messages with files.
        answer_id: The interaction's own message, if it may not say yet that it goes on as this one; else 0.
        reply_to: The person's message that a ``posted`` answer replies to; 0 for an interaction's.
    """

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

    def write(self) -> str:
        """The JSON that ``read`` takes."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> "Ref":
        """Read what ``write`` wrote.

        Raises:
            ValueError: The text is not an address of ours.
        """
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError("not an address of a Discord answer") from error

    def is_editable(self, now_ms: int) -> bool:
        """Whether the answer can still be edited in place."""
        if self.posted:
            return self.message_id != 0
        return now_ms - self.created_ms < TOKEN_LIFE_MS - MARGIN_MS

    def moves_on_ms(self, now_ms: int) -> int:
        """Milliseconds until the answer should go on as an ordinary message; never for one that is sent."""
        if self.posted:
            return sys.maxsize if self.message_id else 0
        return self.created_ms + MOVE_ON_MS - now_ms

    def as_message(self, message_id: int) -> "Ref":
        """The ordinary message that this answer goes on as."""
        # An interaction may name more for its person's sake than the bot's own messages may carry.
        file_bytes = min(self.file_bytes, DEFAULT_FILE_BYTES)
        left_id = self.message_id
        return replace(self, message_id=message_id, posted=True, answer_id=left_id, file_bytes=file_bytes)

    def left_behind(self, now_ms: int) -> "Ref | None":
        """The answer that goes on as this message, while it may not say so yet and can be edited."""
        answer = replace(self, message_id=self.answer_id, posted=False, answer_id=0)
        return answer if self.answer_id and answer.is_editable(now_ms) else None

    def as_direct(self, channel_id: int) -> "Ref":
        """A message, not yet sent, in the channel between the bot and the person."""
        return replace(
            self, channel_id=channel_id, message_id=0, token="", reply_to=0, may_post=True, may_attach=True
        )

    @property
    def can_be_posted(self) -> bool:
        """Whether the answer may go on as an ordinary message in its channel."""
        return bool(self.channel_id) and self.may_post and not self.ephemeral
