"""Keeps and reports measured lines: ``results`` and ``figures``, ``machine``, ``markdown``, ``plot``."""
