"""The Z-Image pipeline inside the worker: a request in, pictures out.

``painter.Painter`` is the entry point. A checkpoint becomes parts on a device in ``device``,
``weight_reader`` and ``load``. A picture passes ``text`` (prompt → embedding), ``denoise`` with ``forward``
(noise → latents, one step of any number of pictures at a time) and ``vae`` (latents → pixels). ``memory``
handles out-of-memory. The package knows no queue, person or socket. It keeps nothing on disk: after a crash
the weights are read again.

Tests: ``pytest tests/integration/pipeline`` (real torch on the CPU, tiny model).
"""
