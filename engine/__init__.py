"""One card, one worker process: render requests in, pictures out.

The room knows nothing of people, chats or money: it never imports ``bot``. What lies in the room itself, and
``host`` and ``scheduler``, is the parent's side and never imports torch; ``worker``, ``zimage``, ``lora`` and
``finish`` run in the worker process, the only owner of CUDA. ``README.md`` has the map.

A crash of the worker loses nothing: the host says ``WorkerLost`` and starts another.
Tests of this room alone: ``pytest tests/unit/engine tests/integration/engine``.
"""
