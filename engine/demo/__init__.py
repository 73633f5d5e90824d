"""The built-in model: small networks of Z-Image-Turbo's classes that draw faces we painted ourselves.

``weights/`` is an ordinary diffusers folder and ``loras/`` an ordinary shelf: the engine loads both as it
loads any other and imports no code of this package. ``faces`` paints, ``captions`` writes, ``training``
teaches, ``judge`` and ``probe`` measure. The package does not know of jobs, chats or the worker. Training
survives a crash by its checkpoints. Figures, limits and how to train it again: ``README.md`` here. Tests of
this package alone: ``pytest tests/unit/engine/demo tests/integration/demo``.
``vocabulary`` tells the bot which words of a prompt the model knows, and imports no torch.
"""
