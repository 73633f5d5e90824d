"""The built-in model: small networks of Z-Image-Turbo's classes, trained on faces that this package renders.

``vocabulary``       which words of a prompt the model knows, for the bot; imports no torch
``phrases``          the words for every trait value in Chinese and English
``captions``         writes captions of faces
``faces``            renders faces from formulas
``tokenizer``        builds the tokenizer
``networks``         the networks' configurations and files
``batched_forward``  the transformer's forward on whole batches, for training
``probe``            a classifier that reads traits and style from a picture
``metrics``          draws an evaluation set and scores it with the probe
``train``            ``python -m engine.demo.train``; the stages are in ``training``
``evaluate``         ``python -m engine.demo.evaluate``: prints the model's figures
``judge``            ``python -m engine.demo.judge``: judges the worker's pipeline with the model
``preview``          ``python -m engine.demo.preview``: the picture strip of the READMEs

``weights/`` is an ordinary diffusers folder and ``loras/`` an ordinary shelf: the engine loads both as any
other model and imports no code of this package. The package does not know jobs, chats or the worker. Figures
and limits: ``README.md`` here. Tests: ``pytest tests/unit/engine/demo tests/integration/demo``.
"""
