"""Judges the worker's pipeline in every format and placement: ``python -m engine.demo.judge``.

Pictures that begin with an earlier one are judged by ``python -m engine.demo.judge.starts``.

``judgement``  what the probe reads in the pictures
``starts``     pictures that begin with an earlier one, at every strength
``similarity`` SSIM of two pictures
``drawer``     the worker's pipeline with the built-in model in one format and placement
"""
