"""The child process: the only owner of the card. ``python -m engine.worker FD``, started by ``engine.host``.

* ``serve``     loads the model, then draws job after job, in the main thread
* ``receiver``  reads the host's messages in a thread of its own, so that a cancel works between two steps
* ``sender``    sends to the host in a thread of its own, so that drawing never waits for the socket
* ``faults``    handles every error: its job fails, or the card has failed and the worker ends
* ``failures``  describes errors without text that could quote a prompt

A fourth thread prepares the next jobs while one is drawn. The process holds no state that a crash could lose.
It ends when the host asks, when the host's end of the socket closes or the host dies, and, with
``EXIT_CARD_FAULT``, at any error of the card but lack of memory, because CUDA is unreliable then.

Tests: ``pytest tests/unit/engine/worker tests/integration/engine``.
"""
