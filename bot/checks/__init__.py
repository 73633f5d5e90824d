"""Checks of a set-up, which ``run`` makes before the start and ``doctor`` prints.

* ``finding``       the result of one check
* ``checks``        the settings, the card, the shelf and the data folder
* ``running``       what a running bot checks of itself, for ``/doctor``
* ``storage``       backups, and the kernels of the card
* ``upgrade``       what a start of this version would do to a data folder
* ``platforms``     what Discord and Telegram say about the bot, over ``platform_api``
* ``canary``        draws one picture
* ``repairs``       what ``doctor --fix`` repairs
* ``folders``       whether a folder is writable

Tests: ``pytest tests/unit/bot/checks tests/integration/app/test_doctor.py``.
"""
