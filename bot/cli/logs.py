"""One log on stderr for our own events and the libraries', with every secret struck out.

Our events come through structlog, the libraries' through ``logging``; both end in one formatter. A token is
struck out by its literal text wherever it appears, also URL-encoded, and so are the password of any address
and anything shaped like a Telegram token, because Telegram puts the token into every request's address.
Control characters are written out: a file's or a person's name can neither forge a line nor steer a terminal.
Tracebacks hold no local variables, which could be prompts.
"""

import io
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO
from urllib.parse import quote, quote_plus, unquote

import structlog

from engine.printable import printable

_TELEGRAM_TOKEN = re.compile(r"(?<!\d)\d{6,12}(?::|%3[Aa])[A-Za-z0-9_-]{30,}")
_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+(?=@)")
_STRUCK = "***"
_QUIET = ("httpx", "httpcore", "uvicorn", "asyncio", "aiosqlite", "matplotlib", "urllib3")
_TRACE_TEXTS = ("trace", "exception", "stack_info")  # several lines; the worker renders its own tracebacks

Event = MutableMapping[str, Any]


class _Strike:
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
            text = text.replace(secret, _STRUCK)
        text = _TELEGRAM_TOKEN.sub(_STRUCK, text)
        return _PASSWORD.sub(rf"\1:{_STRUCK}", text)

    def __call__(self, _logger: Any, _name: str, event: Event) -> Event:
        """Clean keys and values; a traceback in text becomes the event's ``exception``."""
        cleaned: Event = {}
        for key, value in event.items():
            if key == "exc_info" or key.startswith("_"):
                cleaned[key] = value  # the renderer makes a traceback of it, and ``traceback`` cleans that
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


class _StruckStream:
    """The last gate: whatever is written leaves without secrets."""

    def __init__(self, stream: TextIO, strike: _Strike) -> None:
        self._stream = stream
        self._strike = strike

    def write(self, text: str) -> int:
        return self._stream.write(self._strike.clean(text))

    def flush(self) -> None:
        self._stream.flush()


def open_log(*, secrets: Iterable[str] = (), verbose: bool = False, stream: TextIO | None = None) -> None:
    """Send every log line to ``stream`` (stderr), warnings and up unless ``verbose``.

    Args:
        secrets: Texts that must never be written; tokens.
        verbose: Also our info events: jobs accepted, drawn, delivered.
        stream: For tests.
    """
    strike = _Strike(secrets)
    target = stream if stream is not None else sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        strike,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    renderer = structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=strike.traceback)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    line_handler = logging.StreamHandler(_StruckStream(target, strike))
    line_handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [line_handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
