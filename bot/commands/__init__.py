"""The language: what a person types, chooses or presses becomes a frozen command, the same in every chat.

The room knows no platform, person, shelf or model: whether a LoRA exists, a size fits or somebody may do this
is asked later, in the desk. It holds no state.

* ``values``  the commands            * ``table``   every command once: for menus, help, grammar and tests
* ``grammar`` text → command          * ``render``  a drawing → the text that asks for it again
* ``buttons`` presses ↔ commands      * ``face``    prompt, face slots and triggers → the final prompt
* ``flags`` finds options in text by their ``marks``, ``reading`` reads their values, ``cleaning`` comes
  first; ``traditional`` gives every Chinese word its Traditional form

Tests of this room alone: ``pytest tests/unit/bot/commands``.
"""
