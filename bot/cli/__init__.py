"""What all shell commands share: a bounded run, errors as sentences, the host's language, checks of a set-up.

* ``runner``  runs a command's coroutine, turns signals into a stop, and bounds every wait after it
* ``failures`` prints what the host can act on, one sentence per error
* ``checks``  what ``run`` and ``doctor`` both examine; values, no sentences
* ``usage``   ``--help`` and usage errors in the host's language

Tests: ``pytest tests/unit/bot/cli tests/integration/app/test_end.py``.
"""
