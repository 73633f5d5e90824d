"""Measures one denoising step at Z-Image-Turbo's real size, with random weights: none are needed for speed.

``python -m engine.bench.step --help``. ``turbo`` makes the transformer and LoRAs, ``clock`` times work on a
card or without one, ``floor`` is what the arithmetic alone costs, ``step`` holds every way of taking a step
against the library's in one run. The room is for people at a terminal: no other room imports it. Test:
``pytest tests/integration/pipeline/test_step_bench.py`` (tiny, on the CPU).
"""
