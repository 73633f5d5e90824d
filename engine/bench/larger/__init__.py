"""Measures pictures that begin with an earlier one, next to a picture from noise, in one run.

``python -m engine.bench.larger --folder CHECKPOINT`` draws a 1024 x 1024 picture from noise, varies one
subtly and strongly, draws the final form of a half-size draft, and enlarges one to 2048 x 2048, each with a
LoRA and a new prompt, by the worker's own pipeline. It prints the median seconds to the pixels, the ratio to
the picture from noise, the seconds of the stages and the peak memory. Without ``--folder`` it uses the
built-in model at its own sizes, so that the script runs anywhere.

``workload``  the ways, and their figures
"""
