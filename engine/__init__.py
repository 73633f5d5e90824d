"""One card, one worker process: render requests in, pictures out.

The engine knows no people, chats or credits: it never imports ``bot``. ``zimage``, ``lora``, ``finish`` and
``cuda`` run in the worker process, the only owner of CUDA. The other modules never import torch; the parent
and the worker share them. ``README.md`` lists all of them.

A crash of the worker loses nothing: the host raises ``WorkerLost`` and starts another worker.
Tests: ``pytest tests/unit/engine tests/integration/engine``.
"""
