"""Judges the worker's pipeline in every format and placement: ``python -m engine.demo.judge``.

``judgement``  what the probe reads in the pictures
``drawer``     the worker's pipeline with the built-in model in one format and placement
"""
