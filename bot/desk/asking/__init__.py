"""What a request becomes before it is a job.

* ``requests``     what a request asks for, with what its person always wants
* ``preferences``  the settings and presets of people
* ``profiles``     what hosts decide for a chat: its default LoRA, and what may be drawn there
* ``recipes``      a request or an earlier job → a recipe

Tests: ``pytest tests/unit/bot/desk/asking``.
"""
