"""Pixels → a PNG file: checked, with its settings and provenance marks, compressed.

``image_check``  refuses results that are not pictures
``metadata``     writes the settings and the provenance marks, and reads the settings back
``png``          writes the PNG format
``encoder``      encodes in its own threads

The package knows neither torch nor the card: pixels are uint8 arrays.

Tests: ``pytest tests/unit/engine/finish``.
"""
