"""The benchmark: our speed on one device against diffusers, its strongest recipe and the card's floor.

``command``            ``python -m engine.bench``: rows E1 to E9, E12; ``rows`` measures, ``report`` writes
``step``               ``python -m engine.bench.step``: one denoising step, by every method
``startup``            ``python -m engine.bench.startup``: process start to first picture (E8)
``load_speed``         ``python -m engine.bench.load_speed``: reading weights, by every method
``random_checkpoint``  ``python -m engine.bench.random_checkpoint``: writes random weights to disk
``random_model``       Z-Image-Turbo's configuration with random weights, which suffice for speed
``random_tokenizer``   a tokenizer as large as Qwen3's
``streaming``          ``python -m engine.bench.streaming``: a step and a switch while blocks are off the card
``larger``             ``python -m engine.bench.larger``: pictures that begin with an earlier one
``eight_bit``          products in eight bits: their speed, and their error
``insert_results``     ``python -m engine.bench.insert_results``: puts results into a page
``measurement``        time and peak memory of a piece of work

The package's README describes each row. No other package imports this one. Tests: ``pytest
tests/integration/pipeline/test_bench*.py``.
"""
