"""Measures steps and starts at Z-Image-Turbo's real size, with random weights: none are needed for speed.

``python -m engine.bench.step --help``. ``turbo`` makes the transformer and LoRAs, ``clock`` times work on a
card or without one, ``floor`` is what the arithmetic alone costs, ``step`` holds every way of taking a step
against the library's in one run. ``checkpoint`` writes such weights to disk, ``reading`` holds every way of
loading them against the library's, ``start`` goes from process start to the first picture. The room is for
people at a terminal: no other room imports it. Tests: ``pytest tests/integration/pipeline/test_*_bench.py``
(tiny, on the CPU).
"""
