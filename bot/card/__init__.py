"""What a host sees of the card: ``/gpu``.

* ``report``  the values, and how they are collected
* ``series``  what the charts show, here and on the page
* ``statistics``  draws what the bot did in the last days, for ``/stats``
* ``chart``   the last hour as a picture

Tests: ``pytest tests/unit/bot/card``.
"""
