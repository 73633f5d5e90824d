"""Messages leave in a thread of their own."""

import socket
import threading

from engine import wire
from engine.request import Drawn, Picture
from engine.worker.sender import EventSender


def test_a_full_socket_delays_no_caller() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answers = EventSender(theirs)
        messages = [Drawn("j", 1, Picture(index, 7, 512, 768, bytes(2**20))) for index in range(8)]
        for message in messages:  # far more than a socket holds, and nobody reads yet
            answers.put(message)
        closing = threading.Thread(target=answers.close)
        closing.start()
        assert [wire.receive_blocking(ours) for _ in messages] == messages
        closing.join(60)
        assert not closing.is_alive()
