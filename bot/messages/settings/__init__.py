"""What each setting means, for the settings reference and the commented ``sugarbot.toml``.

* ``meanings``  a sentence for each setting and each table of settings
* ``document``  the commented ``sugarbot.toml``
"""

from bot.messages.settings.document import commented_settings
from bot.messages.settings.meanings import meaning_of

__all__ = ["commented_settings", "meaning_of"]
