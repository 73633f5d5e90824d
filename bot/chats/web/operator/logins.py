"""Who has logged in as the operator: the password, the limit of wrong tries, and the open logins.

A login is a random secret in a cookie of its own, new at each login and bound to the browser's session. The
cookie of the session stays, because its hash is the chat's id: with another one, the chat would lose its
default LoRA and its waiting jobs. Both cookies together open the tab, and memory holds hashes alone.
"""

import asyncio
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.chats.web.sessions import new_secret
from bot.settings import PasswordHash
from engine.backoff import Backoff

IDLE_S = 12 * 3600.0  # without an action or an opened tab; a stream of events alone does not count
MAX_LOGINS = 20
MAX_WRONG, WRONG_WITHIN_S = 5, 60.0  # of all browsers together
PAUSES_S = (60.0, 120.0, 240.0, 480.0, 900.0)  # growing, until somebody knows the password

log = structlog.get_logger("bot.chats.web")


class WrongPassword(Exception):
    """The password is another one."""


class TooManyTries(Exception):
    """Nobody may try for ``wait_s`` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


@dataclass(slots=True)
class _Login:
    chat_id: str
    password: PasswordHash
    used_s: float


class OperatorLogins:
    """The open logins, the oldest first.

    Args:
        password: Returns the present one; None means that nobody can log in. A login ends when it changes.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self, password: Callable[[], PasswordHash | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._password = password
        self._clock = clock
        self._logins: dict[str, _Login] = {}
        self._turn = asyncio.Lock()
        self._wrong_s: deque[float] = deque(maxlen=MAX_WRONG)
        self._pauses = Backoff(PAUSES_S)
        self._closed_until_s = 0.0

    @property
    def has_password(self) -> bool:
        """Whether the settings have a password."""
        return self._password() is not None

    async def log_in(self, chat_id: str, password: str) -> str:
        """Return the secret of a new login, which ends earlier ones of this session.

        Raises:
            WrongPassword: Also where no password is set.
            TooManyTries: The password was not compared.
        """
        async with self._turn:  # one at a time, so that no burst passes the limit
            if (wait_s := self._closed_until_s - self._clock()) > 0:
                raise TooManyTries(wait_s)
            known = self._password()
            if known is None or not await asyncio.to_thread(known.matches, password):
                self._note_wrong(chat_id)
                raise WrongPassword
            self._wrong_s.clear()
            self._pauses.reset()
        self.log_out(chat_id)
        while len(self._logins) >= MAX_LOGINS:
            del self._logins[next(iter(self._logins))]
        secret = new_secret()
        self._logins[_hash_of(secret)] = _Login(chat_id, known, self._clock())
        log.info("operator logged in", session=chat_id[:8])
        return secret

    def log_out(self, chat_id: str) -> None:
        """End all logins of this session."""
        for key in [key for key, login in self._logins.items() if login.chat_id == chat_id]:
            del self._logins[key]
            log.info("operator logged out", session=chat_id[:8])

    def is_logged_in(self, chat_id: str, secret: str, *, is_used: bool = True) -> bool:
        """Whether a session has logged in with this secret.

        Args:
            chat_id: The session's.
            secret: Of the login's cookie; empty without one.
            is_used: The person does something, so the login stays open for another ``IDLE_S``.
        """
        login = self._logins.get(_hash_of(secret)) if secret else None
        if login is None or not hmac.compare_digest(login.chat_id, chat_id):
            return False
        now_s = self._clock()
        if now_s - login.used_s >= IDLE_S or login.password != self._password():
            self.log_out(chat_id)
            return False
        if is_used:
            login.used_s = now_s
        return True

    def _note_wrong(self, chat_id: str) -> None:
        now_s = self._clock()
        self._wrong_s.append(now_s)
        log.warning("wrong operator password", session=chat_id[:8])
        if len(self._wrong_s) == MAX_WRONG and now_s - self._wrong_s[0] <= WRONG_WITHIN_S:
            pause_s = self._pauses.next_pause_s()
            self._closed_until_s = now_s + pause_s
            self._wrong_s.clear()
            log.warning("operator login closed", seconds=round(pause_s))


def _hash_of(secret: str) -> str:
    return hashlib.sha256(f"sugarbot operator {secret}".encode()).hexdigest()
