"""How fast we are, in one run on one device: against the library, its strongest recipe and the card's floor.

``python -m engine.bench`` measures the figures E1 to E9, ``python -m engine.bench.step`` one denoising step
every way, ``python -m engine.bench.place`` puts results into a README. ``checkpoint`` writes random weights
to disk, ``reading`` holds every way of loading them against the library's, ``start`` goes from a start to
the first picture. The package's README describes each row. Random weights will do: none are needed for
speed. It is for people at a terminal: no other package imports it. Tests: ``pytest
tests/integration/pipeline/test_*bench.py``.
"""
