"""The Z-Image pipeline inside the worker: a request in, pictures out.

``pipeline``        the entry point, ``Pipeline``: draws one job at a time
``device``          chooses the device and the number format
``weight_reader``   checkpoint files → tensors on the device
``model_loader``    tensors → the parts of a pipeline
``text``            prompt → embedding
``schedule``        the noise levels of the steps
``noise``           the noise with which a picture begins, drawn by a thread of its own
``denoise``         noise, or latents with noise → latents, one step of any number of pictures at a time
``forward``         the transformer
``residency``       the transformer's blocks while they are not on the card
``vae``             latents → pixels, and pixels → latents for pictures that begin with an earlier one
``cuda_graph``      records CUDA graphs for ``text`` and ``forward``
``out_of_memory``   frees memory, retries with less, raises our errors
``timing``          seconds and peak memory of one job

The package does not know queues, persons or sockets. It keeps nothing on disk.

Tests: ``pytest tests/integration/pipeline`` (real torch on the CPU, tiny model).
"""
