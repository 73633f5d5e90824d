"""Browser sessions: a secret cookie identifies a conversation; number, age and streams are limited.

A cookie of an earlier run stays valid, so that the chat's default LoRA and waiting jobs survive a restart of
the bot. To refuse unknown cookies would protect nothing: browsers do not separate cookies by port, so a
server on another port of this machine sees them anyway.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.chats.web.conversation import Conversation

MAX_SESSIONS = 100
IDLE_S = 12 * 3600.0  # without a request or an open stream; after that, the session is released
MAX_STREAMS = 64
MAX_STREAMS_PER_SESSION = 8

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class TooManyStreams(Exception):
    """There are too many event streams; one must end first."""


@dataclass(slots=True, eq=False)
class Session:
    """One browser.

    Attributes:
        used_s: Time of its last request, on the clock of ``Sessions``.
        streams: The number of open event streams.
    """

    conversation: Conversation
    used_s: float
    streams: int = 0


class Sessions:
    """All sessions, the least recently used first.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, secret: str, locale: str) -> tuple[Session, bool]:
        """Return the session of this secret, and whether it is new.

        At the limit, this releases the least recently used session without an open stream.
        """
        chat_id = chat_id_of(secret)
        session = self._sessions.pop(chat_id, None)
        is_new = session is None
        if session is None:
            self.release_idle()
            self._release_least_recent()
            session = Session(Conversation(chat_id, locale), self._clock())
        session.used_s = self._clock()
        self._sessions[chat_id] = session
        return session, is_new

    def look(self, secret: str, locale: str) -> Session:
        """Return the session of this secret, else an empty one that is not kept; looking is no use of it."""
        chat_id = chat_id_of(secret)
        return self._sessions.get(chat_id) or Session(Conversation(chat_id, locale), self._clock())

    def find(self, chat_id: str) -> Conversation | None:
        """The conversation with this id, if its session is open."""
        session = self._sessions.get(chat_id)
        return session.conversation if session else None

    def find_by_secret(self, secret: str) -> Conversation | None:
        """The conversation of this secret, if its session is open; asking is no use of it."""
        return self.find(chat_id_of(secret))

    @contextmanager
    def stream(self, session: Session) -> Iterator[None]:
        """Count an event stream while the block runs; its session stays open meanwhile.

        Raises:
            TooManyStreams: The session, or all sessions together, have reached the limit.
        """
        total = sum(each.streams for each in self._sessions.values())
        if session.streams >= MAX_STREAMS_PER_SESSION or total >= MAX_STREAMS:
            raise TooManyStreams
        session.streams += 1
        try:
            yield
        finally:
            session.streams -= 1
            session.used_s = self._clock()

    def release_idle(self) -> None:
        """Release every session without use for ``IDLE_S``; its jobs continue, and /mine finds them."""
        now_s = self._clock()
        idle = [
            chat_id
            for chat_id, session in self._sessions.items()
            if not session.streams and now_s - session.used_s >= IDLE_S
        ]
        for chat_id in idle:
            self._release(chat_id)

    def close(self) -> None:
        """Release every session."""
        for chat_id in tuple(self._sessions):
            self._release(chat_id)

    def _release_least_recent(self) -> None:
        if len(self._sessions) >= MAX_SESSIONS:  # there are fewer streams, so one session has none
            self._release(next(chat_id for chat_id, each in self._sessions.items() if not each.streams))

    def _release(self, chat_id: str) -> None:
        self._sessions.pop(chat_id).conversation.release()


def new_secret() -> str:
    """A random value of 256 bits for the cookie of a new session."""
    return secrets.token_urlsafe(32)


def is_secret(value: str) -> bool:
    """Whether a cookie's value has the form of a secret."""
    return _SECRET.fullmatch(value) is not None


def chat_id_of(secret: str) -> str:
    """The chat id in the database: it identifies the session but does not open it."""
    return hashlib.sha256(f"sugarbot page {secret}".encode()).hexdigest()[:32]
