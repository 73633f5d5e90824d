"""Ports for programs that must be told theirs before they open it."""

import random
import socket

BELOW_THE_SYSTEMS_OWN = range(20_000, 32_000)  # Linux gives 32768 and above to whoever asks for any port


def free_port() -> int:
    """Return a port that nobody uses, and that the system gives to no other test meanwhile."""
    while True:
        port = random.choice(BELOW_THE_SYSTEMS_OWN)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
