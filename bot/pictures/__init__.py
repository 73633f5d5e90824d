"""Pictures that the bot draws itself, with words in them.

* ``fonts``  the fonts of this machine, and what they can write
* ``preview``  a small copy with the settings of the original
* ``sheet``  the small pictures of a job as one labelled picture

The package knows neither the catalogue nor the desk: words come in as they are shown.

Tests: ``pytest tests/unit/bot/pictures``.
"""
