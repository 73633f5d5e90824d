"""Every sentence that people read, in English and zh-CN.

The English text is the msgid; ``zh_CN.po`` is the catalogue, edited with any gettext editor and read at run
time. The functions return plain text that contains people's own words; each chat escapes it for its platform.

* ``catalogue``  msgid → sentence in a locale, with facts; times, durations, lists
* ``answers``    outcomes of the desk       * ``jobs``      notes, status, caption, where an answer is
* ``refusals``   errors                     * ``failures``  errors of the engine and failed jobs
* ``details``    technical lines of errors  * ``problems``  settings and set-up
* ``sheets``     comparisons and drafts     * ``asking``    settings, presets, advice
* ``iterating``  what continues from a job  * ``finding``   history, recipes, exports
* ``loras``      the shelf, and who may use which LoRA
* ``hosting``    what hosts decided
* ``guide``      help, greeting, buttons    * ``page``      the local web page
* ``checks``     results of ``doctor``      * ``plans``     the plan, and the answer to ``/gpu``
* ``settings``   what each setting means      * ``operator``  the operator tab of the page
* ``storage``    upgrades, damage

Tests of this package: ``pytest tests/unit/bot/messages``; they name every sentence without a translation.
"""

from bot.languages import LOCALES, locale_of
from bot.messages.answers import format_outcome, picture_of
from bot.messages.catalogue import N_, Times, format_time, shorten, text
from bot.messages.finding.history import format_history_entry, history_heading
from bot.messages.finding.recipes import copyable_code
from bot.messages.guide import button_label, greeting, help_text, list_label
from bot.messages.hosting.alerts import format_alert
from bot.messages.iterating.answers import edit_by_reply_invitation, edit_invitation
from bot.messages.iterating.forms import form_text, you_wrote
from bot.messages.jobs import (
    ai_mark,
    answer_expires,
    answered_in_direct_message,
    answered_in_private_chat,
    continued_below,
    continued_elsewhere,
    delivery_uncertain,
    direct_message_follows,
    format_bar,
    format_caption,
    format_status,
    messages_left,
    nothing_to_post,
    picture_deleted,
    pictures_coming,
    pictures_not_allowed,
    pictures_too_large,
    sent_as_direct_message,
)
from bot.messages.loras.consent import format_owner_report, owner_report_buttons
from bot.messages.loras.shelf import working_on_it
from bot.messages.refusals import format_error
from bot.messages.sheets.words import alt_text

__all__ = [
    "LOCALES",
    "N_",
    "Times",
    "ai_mark",
    "alt_text",
    "answer_expires",
    "answered_in_direct_message",
    "answered_in_private_chat",
    "button_label",
    "continued_below",
    "continued_elsewhere",
    "copyable_code",
    "delivery_uncertain",
    "direct_message_follows",
    "edit_by_reply_invitation",
    "edit_invitation",
    "form_text",
    "format_alert",
    "format_bar",
    "format_caption",
    "format_error",
    "format_history_entry",
    "format_outcome",
    "format_owner_report",
    "format_status",
    "format_time",
    "greeting",
    "help_text",
    "history_heading",
    "list_label",
    "locale_of",
    "messages_left",
    "nothing_to_post",
    "owner_report_buttons",
    "picture_deleted",
    "picture_of",
    "pictures_coming",
    "pictures_not_allowed",
    "pictures_too_large",
    "sent_as_direct_message",
    "shorten",
    "text",
    "working_on_it",
    "you_wrote",
]
