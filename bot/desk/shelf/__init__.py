"""The shelf in chats: what everybody sees of it, and what hosts change.

* ``view``        its list and one LoRA: ``listing`` pages it, ``preview`` draws a strip
* ``management``  switch, add, remove, check, reload; ``adding`` receives and proves a new file
* ``lora_folder`` the folder as these commands see it
* ``folder``      reads the folder while the bot runs
* ``trials``      small pictures that show that a LoRA works
* ``versions``    the files that jobs were accepted with, and where they are

Tests: ``pytest tests/unit/bot/desk/shelf``.
"""
