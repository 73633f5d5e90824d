"""Browser sessions: a secret cookie leads to a conversation; their number, age and streams are bounded.

A cookie of an earlier run is taken as it is, so that the chat's default LoRA and waiting jobs survive a
restart of the bot. Browsers do not separate cookies by port, so a server on another port of this machine
sees the cookie anyway; refusing unknown ones would protect nothing.
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
IDLE_S = 12 * 3600.0  # without a request or an open stream; then the session is released
MAX_STREAMS = 64
MAX_STREAMS_PER_SESSION = 8

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class TooManyStreams(Exception):
    """No further event stream may be opened; one must end first."""


@dataclass(slots=True, eq=False)
class Session:
    """One browser.

    Attributes:
        used_s: When it last asked for anything, on the clock of ``Sessions``.
        streams: How many event streams are open.
    """

    conversation: Conversation
    used_s: float
    streams: int = 0


class Sessions:
    """All sessions, the one that was used least recently first.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, secret: str, locale: str) -> tuple[Session, bool]:
        """The session of this secret, and whether it was made just now.

        At the limit the session that was used least recently and has no open stream is released.
        """
        chat_id = _chat_id_of(secret)
        session = self._sessions.pop(chat_id, None)
        is_new = session is None
        if session is None:
            self.release_idle()
            self._make_room()
            session = Session(Conversation(chat_id, locale), self._clock())
        session.used_s = self._clock()
        self._sessions[chat_id] = session
        return session, is_new

    def find(self, chat_id: str) -> Conversation | None:
        """The conversation that the desk knows by this id, if its session is open."""
        session = self._sessions.get(chat_id)
        return session.conversation if session else None

    @contextmanager
    def stream(self, session: Session) -> Iterator[None]:
        """Count an event stream while the block runs; its session is not released meanwhile.

        Raises:
            TooManyStreams: The session, or all of them together, have as many as they may.
        """
        total = sum(one.streams for one in self._sessions.values())
        if session.streams >= MAX_STREAMS_PER_SESSION or total >= MAX_STREAMS:
            raise TooManyStreams
        session.streams += 1
        try:
            yield
        finally:
            session.streams -= 1
            session.used_s = self._clock()

    def release_idle(self) -> None:
        """Release every session that nobody used for ``IDLE_S``; its jobs go on and are found with /mine."""
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

    def _make_room(self) -> None:
        if len(self._sessions) >= MAX_SESSIONS:  # more than there can be streams, so one is without
            self._release(next(chat_id for chat_id, one in self._sessions.items() if not one.streams))

    def _release(self, chat_id: str) -> None:
        self._sessions.pop(chat_id).conversation.release()


def new_secret() -> str:
    """An unguessable value for the cookie of a new session: 256 bits."""
    return secrets.token_urlsafe(32)


def is_secret(value: str) -> bool:
    """Whether a cookie's value can be one of ours."""
    return _SECRET.fullmatch(value) is not None


def _chat_id_of(secret: str) -> str:
    """What the database stores: it identifies the session, but does not open it."""
    return hashlib.sha256(f"sugarbot page {secret}".encode()).hexdigest()[:32]
