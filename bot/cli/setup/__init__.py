"""``sugarbot setup``: from nothing to settings that are checked, a model that is ready, and a host.

* ``wizard``        what is asked in which order, and what is printed at the end
* ``options``       what the command line says already
* ``dialogue``      questions on the terminal; without one, the defaults
* ``answers``       the answers so far: the settings file and the token file
* ``chats``         the questions about a chat
* ``weights``       the questions about the model and its LoRAs
* ``verification``  checks an answer at once, with what ``doctor`` uses
* ``model``         downloads and converts the model
* ``claim``         the code with which the first host claims the bot

Tests: ``pytest tests/unit/bot/cli/setup tests/integration/app/test_setup.py``.
"""
