"""Every sentence that people read, in English and zh-CN.

The English text is the msgid; ``zh_CN.po`` is the catalogue, edited with any gettext editor and read at run
time. The functions return plain text that contains people's own words; each chat escapes it for its platform.

* ``catalogue``  msgid → sentence in a locale, with facts; times, durations, lists
* ``answers``    outcomes of the desk       * ``jobs``      notes, status, caption, where an answer is
* ``refusals``   errors                     * ``failures``  errors of the engine and failed jobs
* ``details``    technical lines of errors  * ``problems``  settings and set-up
* ``guide``      help, greeting, buttons    * ``page``      the local web page
* ``checks``     results of ``doctor``

Tests of this package: ``pytest tests/unit/bot/messages``; they name every sentence without a translation.
"""

from bot.messages.answers import format_history_entry, format_outcome
from bot.messages.catalogue import LOCALES, N_, Times, format_time, locale_of, shorten, text
from bot.messages.guide import button_label, greeting, help_text
from bot.messages.jobs import (
    answered_directly,
    comes_directly,
    ends_elsewhere,
    format_caption,
    format_status,
    goes_on_below,
    goes_on_elsewhere,
    not_here,
    on_its_way,
    perhaps_above,
    went_directly,
)
from bot.messages.refusals import format_error

__all__ = [
    "LOCALES",
    "N_",
    "Times",
    "answered_directly",
    "button_label",
    "comes_directly",
    "ends_elsewhere",
    "format_caption",
    "format_error",
    "format_history_entry",
    "format_outcome",
    "format_status",
    "format_time",
    "goes_on_below",
    "goes_on_elsewhere",
    "greeting",
    "help_text",
    "locale_of",
    "not_here",
    "on_its_way",
    "perhaps_above",
    "shorten",
    "text",
    "went_directly",
]
