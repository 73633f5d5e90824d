"""How long pictures stay as they were drawn.

* ``originals``  replaces originals by previews: old ones, and the oldest while the disk is full

Tests: ``pytest tests/unit/bot/desk/retention``.
"""
