"""One log on stderr for our own events and the libraries', with every secret struck out.

Our events come through structlog, the libraries' through ``logging``; both end in one formatter. A token is
struck out by its literal text wherever it appears, and anything shaped like a Telegram token even if unknown,
because Telegram puts the token into every request's address.
"""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

_TELEGRAM_TOKEN = re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}")
_STRUCK = "***"
_QUIET = ("httpx", "httpcore", "uvicorn", "gradio", "asyncio", "aiosqlite", "matplotlib", "urllib3")


class _Strike:
    """Replaces secrets in every string of an event."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True))

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _STRUCK)
        return _TELEGRAM_TOKEN.sub(_STRUCK, text)

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: self._clean_value(value) for key, value in event.items()}

    def _clean_value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.clean(value if isinstance(value, str) else str(value))


class _StruckStream:
    """The last gate: whatever is written, tracebacks included, leaves without secrets."""

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
        cache_logger_on_first_use=True,
    )
    colors = target.isatty()
    renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
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
