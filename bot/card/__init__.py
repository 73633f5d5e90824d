"""What a host sees of the card: ``/gpu``.

* ``report``  the values, and how they are collected
* ``chart``   the last hour as a picture

Tests: ``pytest tests/unit/bot/card``.
"""
