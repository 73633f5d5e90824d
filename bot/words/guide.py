"""Help, made from the table of commands, and the labels of buttons."""

from bot.commands.table import COMMANDS, SUGAR_OPTIONS, Entry, Kind, Option, Right
from bot.words.catalogue import N_, text

LABELS = {
    "cancel": N_("Cancel"),
    "reroll": N_("Reroll"),
    "original": N_("Original file"),
}


def label(key: str, locale: str) -> str:
    """The label of a button.

    Raises:
        KeyError: There is no such button; a mistake of ours.
    """
    return text(LABELS[key], locale)


def help_text(locale: str) -> str:
    """What the bot can do, on one screen: every command, then the options of a picture."""
    options = [_option_line(option, locale) for option in SUGAR_OPTIONS if option.name != "prompt"]
    return "\n".join(
        [
            text(N_("Send me a sentence and I'll draw it, or use a command:"), locale),
            *(_command_line(entry, locale) for entry in COMMANDS),
            "",
            text(N_("Options, anywhere in the text:"), locale),
            *options,
        ]
    )


def _command_line(entry: Entry, locale: str) -> str:
    sentence = (
        N_("{usage} – {about}") if entry.right is Right.EVERYONE else N_("{usage} – {about} (hosts only)")
    )
    return text(sentence, locale, usage=entry.usage, about=text(entry.about, locale))


def _option_line(option: Option, locale: str) -> str:
    name = option.word if locale == "zh-CN" else option.name
    usage = f"--{name}" if option.kind is Kind.SWITCH else f"--{name} {option.example}"
    return text(N_("{usage} – {about}"), locale, usage=usage, about=text(option.about, locale))
