"""The shell commands. Each module's functions take the settings and return the exit code.

* ``serve``     ``run``, ``demo`` and ``say``: which chats open, and when the application closes
* ``setup``     ``setup``: the questions, their checks, the model, the first host
* ``doctor``    ``doctor``: prints what is set up and what is wrong with it
* ``plan``      ``plan``: where the model would live on a card, and how long pictures would take
* ``lora``      ``lora list``, ``check``, ``info``, ``add``, ``remove`` and ``pin``
* ``db``        ``db check``, ``db backup`` and ``db restore``
* ``upgrade``   ``upgrade``: the steps, and what a start of this version would do
* ``bench``     ``bench``: measure this machine
* ``shell``     the groups of shell commands, and what every command shares
* ``runner``    runs a command's coroutine, turns signals into a stop, and bounds every wait after it
* ``failures``  prints one sentence for each error that the host can act on
* ``logs``      one log on standard error, without secrets
* ``screen``    standard output as plain text
* ``usage``     ``--help`` and usage errors in the host's language

Tests: ``pytest tests/unit/bot/cli tests/integration/app/test_end.py``.
"""
