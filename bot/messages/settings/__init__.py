"""What each setting means, for the settings reference and the commented ``sugarbot.toml``.

* ``meanings``  a sentence for each setting and each table of settings
"""

from bot.messages.settings.meanings import meaning_of

__all__ = ["meaning_of"]
