"""Every sentence a person reads, in English and zh-CN.

English text is the msgid; ``zh_CN.po`` beside this file is the catalogue, edited with any gettext editor
and read at run time. The room knows no platform: what it returns is plain text with people's own words in
it, and each chat escapes it for its platform. It decides nothing and holds nothing a crash could lose.

* ``say`` an outcome, ``past``: one job of a history
* ``explain`` an error · ``when``: a point in time, as the platform shows it
* ``status`` of a waiting job · ``caption_of``: an ended job's caption · ``on_its_way``, ``perhaps_above``,
  ``not_here``, ``goes_on_below``, ``goes_on_elsewhere``, ``ends_elsewhere``, ``comes_directly``,
  ``went_directly``, ``answered_directly``: where its answer has gone
* ``label`` of a button · ``greeting``, ``help_text`` · ``text`` for any other sentence · ``shorten`` one
* ``locale_of`` a language code

Tests of this room alone: ``pytest tests/unit/bot/messages``; they name every sentence that lacks its Chinese.
"""

from bot.messages.answers import past, say
from bot.messages.catalogue import LOCALES, N_, Times, locale_of, shorten, text, when
from bot.messages.guide import greeting, help_text, label
from bot.messages.jobs import (
    answered_directly,
    caption_of,
    comes_directly,
    ends_elsewhere,
    goes_on_below,
    goes_on_elsewhere,
    not_here,
    on_its_way,
    perhaps_above,
    status,
    went_directly,
)
from bot.messages.refusals import explain

__all__ = [
    "LOCALES",
    "N_",
    "Times",
    "answered_directly",
    "caption_of",
    "comes_directly",
    "ends_elsewhere",
    "explain",
    "goes_on_below",
    "goes_on_elsewhere",
    "greeting",
    "help_text",
    "label",
    "locale_of",
    "not_here",
    "on_its_way",
    "past",
    "perhaps_above",
    "say",
    "shorten",
    "status",
    "text",
    "went_directly",
    "when",
]
