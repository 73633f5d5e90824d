"""The command language: typed text, menu choices and button presses become the same frozen commands.

Nothing here knows a platform, a person, the shelf or the model, and nothing has state: the desk checks later
whether a LoRA exists, a size fits or the person may do this.

* ``values``   the commands
* ``table``    every command once: the source of menus, help, grammar and tests
* ``grammar``  text or menu options → command; ``makers`` reads drawings, settings, presets, profiles
* ``job_commands``  the text behind a command about a job → command
* ``loras``    the same for the commands of the shelf
* ``finding``  the same for finding again; recipe codes
* ``flags``    finds options in text; ``marks`` has its patterns
* ``reading``  the text of one option → its value; link codes
* ``text``     cleaning, comparing, Traditional characters; prompt, face slots and triggers → final prompt
* ``prompts``  suggestions for the face slots, wildcards, alternatives
* ``render``   drawing → the text that asks for it again
* ``buttons``  button data ↔ command

Tests of this package: ``pytest tests/unit/bot/commands``.
"""
