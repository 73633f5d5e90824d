"""The Z-Image pipeline inside the worker: a request in, pictures out.

``painter.Painter`` is the door; behind it ``place``, ``stream`` and ``load`` (folder → parts on a device),
``text`` (prompt → embeddings), ``forward`` (a room of its own: one step of any pictures), ``denoise`` (noise
→ latents, step by step), ``vae`` (latents → pixels; ``decoder`` and ``kernels`` make it fast on a card) and
``room`` (out-of-memory). The room knows no queue, person or socket. It
keeps nothing on disk: after a crash the weights are simply read again.

Tests: ``pytest tests/integration/pipeline`` (real torch on the CPU, tiny model).
"""
