"""Reports to systemd, or another manager with its protocol, that the bot has started, lives, and stops.

The protocol is one datagram of lines ``NAME=value`` to the socket in ``NOTIFY_SOCKET`` (man page sd_notify).
Without that variable nothing is sent.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping

import structlog

log = structlog.get_logger("bot.monitoring")

PINGS = 3  # in the time that the watchdog gives; two may be late


class ServiceManager:
    """The manager that started this process, if there is one.

    Args:
        environment: Of the process.
        pid: Of the process; a watchdog that is meant for another one is ignored.
    """

    def __init__(self, environment: Mapping[str, str], pid: int | None = None) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")
        try:
            meant_for = int(environment.get("WATCHDOG_PID") or os.getpid())
            limit_s = int(environment.get("WATCHDOG_USEC") or 0) / 1e6
        except ValueError:
            log.warning("watchdog of the service manager not understood")
            meant_for, limit_s = 0, 0.0
        self.watchdog_s = limit_s if self._path and meant_for == (pid or os.getpid()) else 0.0

    def notify(self, **facts: str) -> None:
        """Send these facts; a manager that does not listen loses them."""
        if not self._path:
            return
        # An @ means a socket that has a name in the kernel and none in the file system.
        address = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        content = "\n".join(f"{name}={value}" for name, value in facts.items()).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(content, address)
        except OSError as error:
            log.warning("service manager not reached", reason=error.strerror)

    async def keep_watchdog(self, is_alive: Callable[[], Awaitable[bool]], status: Callable[[], str]) -> None:
        """Report to the watchdog that the bot lives, as long as it does; return at once without a watchdog.

        Args:
            is_alive: If this is False or hangs, the watchdog hears nothing and restarts the bot.
            status: One line for ``systemctl status``.
        """
        while self.watchdog_s:
            if await is_alive():
                self.notify(WATCHDOG="1", STATUS=status())
            else:
                log.error("the bot does not live: the watchdog will restart it")
            await asyncio.sleep(self.watchdog_s / PINGS)
