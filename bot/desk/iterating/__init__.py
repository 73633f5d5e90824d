"""The use cases that continue from a job: one picture of it, and its text.

* ``pictures``  one picture of a batch alone
* ``editing``   the text that asks for a job again

Tests: ``pytest tests/unit/bot/desk/iterating``.
"""
