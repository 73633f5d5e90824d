"""Notes on an accepted request: what is drawn differently, and what the model does not know."""

from collections.abc import Sequence
from typing import assert_never

from bot.messages.catalogue import N_, text
from bot.outcomes import Note, SizeChanged, UnknownWords
from engine.demo.vocabulary import UnknownFeature


def format_note(note: Note, locale: str) -> str:
    """Return one note, in a sentence or two."""
    match note:
        case SizeChanged():
            sentence = N_("This model can't draw {asked} exactly, so it becomes {width_px} × {height_px}.")
            facts = {"asked": note.asked, "width_px": note.width_px, "height_px": note.height_px}
            return text(sentence, locale, **facts)
        case UnknownFeature():
            sentence = N_("The built-in model knows no “{said}” here, only: {known}.")
            return text(sentence, locale, said=note.text, known=note.known)
        case UnknownWords(is_all=True):
            sentence = N_(
                "The built-in model draws faces and knows none of these words: {words}. "
                "So the face is left to chance; /help lists what it knows."
            )
            return text(sentence, locale, words=note.words)
        case UnknownWords():
            sentence = N_("The built-in model doesn't know: {words}. /help lists what it knows.")
            return text(sentence, locale, words=note.words)
    assert_never(note)


def format_unknown_words(notes: Sequence[Note], locale: str) -> str:
    """Return the words that the model does not know, as a line of a caption; empty if it knows all."""
    words = [each.text for each in notes if isinstance(each, UnknownFeature)]
    words += [word for each in notes if isinstance(each, UnknownWords) for word in each.words]
    return text(N_("Not known to the built-in model: {words}."), locale, words=tuple(words)) if words else ""
