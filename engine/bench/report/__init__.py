"""Keeps and reports measured lines: ``results`` and ``targets``, ``machine``, ``markdown``, ``plot``."""
