"""What a host sees of the card: ``/gpu``.

* ``report``  the values, and how they are collected
* ``chart``   the last hour as a picture

``font.otf`` has the characters of the chart alone, cut from Noto Sans CJK SC (SIL Open Font License 1.1, see
``FONT-LICENSE``). ``tests/unit/bot/card/test_chart.py`` names a character that it lacks.

Tests: ``pytest tests/unit/bot/card``.
"""
