"""The settings inside a picture file that a person sent: found in the file, and read.

The files are hostile: nothing is decoded but the one text, within limits of size, count and depth. The
package knows no person, no shelf and no platform.

* ``container``   PNG, WebP or JPEG file → the text of the settings
* ``exif``        the Exif block of WebP and JPEG → the text
* ``parameters``  the text, ours or of AUTOMATIC1111's web UI → its parts

Tests of this package: ``pytest tests/unit/bot/uploads``.
"""

from bot.uploads.container import MAX_PICTURE_BYTES, settings_text_of
from bot.uploads.parameters import LoraTag, Parameters, parse_parameters

__all__ = ["MAX_PICTURE_BYTES", "LoraTag", "Parameters", "parse_parameters", "settings_text_of"]
