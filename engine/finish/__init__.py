"""From pixels to a file that people may keep: checked, stamped with its settings, compressed.

``guard`` refuses what is no picture, ``stamp`` writes how it was made in the form that other tools read
(and reads it back), ``encode`` makes the PNG in threads of its own. The package knows neither torch nor the
card: pixels are uint8 arrays. It holds nothing that a crash could lose.

Tests: ``pytest tests/unit/engine/finish``.
"""
