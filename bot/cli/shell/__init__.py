"""The groups of shell commands for ``bot.__main__``, and what every command shares.

At the start these modules import only typer, so that ``--help`` answers at once. Docstrings and help texts
are msgids of ``bot/messages/zh_CN.po``.

* ``running``  reads the settings, opens the log, runs a command; the options that commands share
* ``db``       ``sugarbot db check``, ``backup`` and ``restore``
* ``setup``    the options of ``sugarbot setup``
* ``lora``     ``sugarbot lora list``, ``check``, ``info``, ``add``, ``pin`` and ``remove``

Tests: ``pytest tests/unit/bot/test_main.py tests/unit/bot/cli/test_language.py``.
"""
