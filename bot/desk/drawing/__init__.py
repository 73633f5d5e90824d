"""Takes waiting jobs and has them drawn.

* ``loop``   the ``Drawing``: takes jobs one after the other, and sees each through until its end is saved
* ``taken``  the states of a taken job, and what each error of the renderer means for it

Tests: ``pytest tests/unit/bot/desk -k drawing``.
"""
