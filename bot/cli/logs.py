"""One log on standard error for our own events and those of the libraries, without secrets.

Our events come through structlog, the libraries' events through ``logging``; one formatter writes both. It
replaces the known tokens, also in URL-encoded form, the password of any address, and every text that has the
form of a Telegram token, because each request's address contains the token. It escapes control characters, so
that the name of a file or a person can neither forge a line nor control a terminal. Tracebacks contain no
local variables, because these could be prompts.
"""

import io
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO
from urllib.parse import quote, quote_plus, unquote

import structlog

from bot.monitoring.recent_log import RECENT_LOG, RecentLog
from engine.formatting import printable, without_passwords

_TELEGRAM_TOKEN = re.compile(r"(?<!\d)\d{6,12}(?::|%3[Aa])[A-Za-z0-9_-]{30,}")
_REDACTED = "***"
_QUIET = ("httpx", "httpcore", "uvicorn", "asyncio", "aiosqlite", "matplotlib", "urllib3")
# Texts of several lines; the worker renders its own tracebacks.
_TRACE_TEXTS = ("trace", "exception", "stack_info")

_APART = ("timestamp", "level", "event", "exception", "exc_info")  # not among the facts of a recent event

_LogEvent = MutableMapping[str, Any]


class _SecretFilter:
    """Replaces secrets in every text of an event."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {
            spelling
            for secret in secrets
            if secret
            for spelling in (secret, unquote(secret), quote(secret, safe=""), quote_plus(secret, safe=""))
        }
        spellings |= {spelling.replace("%3A", "%3a") for spelling in spellings}
        self._secrets = tuple(sorted(spellings, key=len, reverse=True))

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        return without_passwords(_TELEGRAM_TOKEN.sub(_REDACTED, text))

    def __call__(self, _logger: Any, _name: str, event: _LogEvent) -> _LogEvent:
        """Clean keys and values; move a traceback in text form to the key ``exception``."""
        cleaned: _LogEvent = {}
        for key, value in event.items():
            if key == "exc_info" or key.startswith("_"):
                cleaned[key] = value  # ``traceback`` renders and cleans it
            elif key in _TRACE_TEXTS:
                cleaned["exception"] = printable(self.clean(str(value)), is_one_line=False).rstrip()
            else:
                cleaned[self._one_line(key)] = self._one_line(str(value))
        return cleaned

    def _one_line(self, text: str) -> str:
        return printable(self.clean(text))

    def traceback(self, target: TextIO, exc_info: Any) -> None:
        """Write a traceback without secrets and control characters."""
        written = io.StringIO()
        structlog.dev.plain_traceback(written, exc_info)
        target.write(printable(self.clean(written.getvalue()), is_one_line=False))


class _Recent:
    """Keeps a copy of each event, after the filter removed its secrets."""

    def __init__(self, secret_filter: _SecretFilter, kept: RecentLog) -> None:
        self._filter = secret_filter
        self._kept = kept

    def __call__(self, _logger: Any, _name: str, event: _LogEvent) -> _LogEvent:
        """Pass the event on unchanged."""
        facts = (f"{key}={value}" for key, value in event.items() if key not in _APART and key[0] != "_")
        trace = str(event.get("exception", ""))
        if exc_info := _exc_info_of(event.get("exc_info")):
            written = io.StringIO()
            self._filter.traceback(written, exc_info)
            trace = written.getvalue()
        self._kept.add(
            at=str(event.get("timestamp", "")),
            level=str(event.get("level", "")),
            event=str(event.get("event", "")),
            facts=" ".join(facts),
            trace=trace,
        )
        return event


def _exc_info_of(value: Any) -> Any:
    """Return the exception of an event as ``sys.exc_info`` does; None without one."""
    if isinstance(value, BaseException):
        return type(value), value, value.__traceback__
    found = value if isinstance(value, tuple) else sys.exc_info() if value else None
    return found if found and found[0] else None


class _FilteredStream:
    """Removes secrets from everything that is written, as the last step."""

    def __init__(self, stream: TextIO, secret_filter: _SecretFilter) -> None:
        self._stream = stream
        self._filter = secret_filter

    def write(self, text: str) -> int:
        return self._stream.write(self._filter.clean(text))

    def flush(self) -> None:
        self._stream.flush()


def open_log(
    *,
    secrets: Iterable[str] = (),
    verbose: bool = False,
    stream: TextIO | None = None,
    recent: RecentLog = RECENT_LOG,
) -> None:
    """Send warnings and errors to ``stream``, which is standard error by default.

    Args:
        secrets: Texts that must never be written, such as tokens.
        verbose: Also write info events: jobs accepted, drawn, delivered.
        stream: For tests.
        recent: Keeps the newest events in memory; of our own also those that only ``verbose`` writes.
    """
    secret_filter = _SecretFilter(secrets)
    target = stream if stream is not None else sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        secret_filter,
        _Recent(secret_filter, recent),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    renderer = structlog.dev.ConsoleRenderer(
        colors=target.isatty(), exception_formatter=secret_filter.traceback
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    line_handler = logging.StreamHandler(_FilteredStream(target, secret_filter))
    line_handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [line_handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
