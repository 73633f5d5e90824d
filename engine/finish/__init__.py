"""Pixels → a PNG file: checked, with its settings and provenance marks, compressed; and such a file → pixels.

``image_check``  refuses results that are not pictures
``metadata``     writes the settings and the provenance marks, and reads the settings back
``png``          writes the PNG format
``encoder``      encodes in its own threads
``start``        reads such a file again, for a picture that begins with it

The package knows neither torch nor the card: pixels are uint8 arrays.

Tests: ``pytest tests/unit/engine/finish``.
"""
