"""The child process: the only owner of the card. ``python -m engine.worker FD``, started by ``engine.host``.

* ``serve``   load the model, then paint job after job, in the main thread
* ``orders``  what the host wants, read in a thread of its own, so that a cancel is heard between two steps
* ``reporter``   what is said to the host, sent in a thread of its own, so that nobody who paints waits for it
* ``failing`` what an error means for its job and for the card, and what of it may be said
* ``faults``  where every error ends: its job fails, or the card has failed and the worker ends

A fourth thread fetches what the next jobs need while one is painted; whatever libraries start is their own.
It holds no state that a crash could lose. It ends when told to, when the host's end of the socket closes,
and, with ``EXIT_CARD_FAULT``, at any error of the card but lack of memory: CUDA is not to be trusted then.

Tests: ``pytest tests/unit/engine/worker tests/integration/engine``.
"""
