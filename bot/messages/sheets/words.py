"""The words in the picture of a sheet, and the sentences about it."""

from bot.messages.catalogue import N_, join_facts, shorten, text
from bot.outcomes import Axis, NothingSmaller, Recipe, Sheet, SheetAxis
from bot.pictures.sheet import SheetLabels

LABEL_CHARS = 24  # in a sentence: sixteen prompts fit a caption of Telegram
TITLE_CHARS = 80  # of the prompt, beside LoRAs and seed in two lines
NO_LORA, SEED = N_("no LoRA"), N_("seed {seeds}")
STRENGTH = N_("strength {weight}")
MISSING = N_("not drawn")
_AXES = {
    Axis.PROMPT: N_("prompts"),
    Axis.LORA: N_("LoRAs"),
    Axis.WEIGHT: N_("strengths"),
    Axis.SEED: N_("seeds"),
}


def sheet_labels(recipe: Recipe, locale: str) -> SheetLabels:
    """Return the words in the picture of a sheet, and substitutes in Latin letters.

    Raises:
        ValueError: The recipe is no sheet.
    """
    sheet = _sheet_of(recipe)
    rows = _labels(sheet.rows, locale) if sheet.rows else ()
    title = (_title(recipe, sheet, locale), _title(recipe, sheet, "en", with_prompt=False))
    return SheetLabels(title, rows, _labels(sheet.columns, locale), (text(MISSING, locale), MISSING))


def format_sheet(recipe: Recipe, locale: str) -> str:
    """Return in what the pictures of a sheet differ, their number and their size, on one line."""
    sheet = _sheet_of(recipe)
    what = N_("{count} drafts, {size}") if sheet.is_draft else N_("{count} small pictures, {size}")
    size = (recipe.width_px, recipe.height_px)
    return join_facts(
        [
            text(what, locale, count=recipe.count, size=size),
            *(
                text(N_("{axis}: {labels}"), locale, axis=text(_AXES[axis.axis], locale), labels=labels)
                for axis in sheet.axes
                if (labels := tuple(_short(label, locale) for label in axis.labels))
            ),
            _common(recipe, sheet, locale),
        ]
    )


def _short(label: str, locale: str) -> str:
    return shorten(label, LABEL_CHARS) or text(NO_LORA, locale)


def format_adopt(job_id: str, recipe: Recipe, locale: str) -> str:
    """Return how a person adopts a picture of a sheet."""
    sheet = _sheet_of(recipe)
    size = (sheet.width_px, sheet.height_px)
    sentence = N_("Choose a number, and I draw that picture at {size}; or type “/adopt {job_id} 2”.")
    if size == (recipe.width_px, recipe.height_px):
        sentence = N_("Choose a number, and I draw that picture alone; or type “/adopt {job_id} 2”.")
    return text(sentence, locale, size=size, job_id=job_id)


def alt_text(recipe: Recipe, index: int, locale: str) -> str:
    """Return what a picture of a job shows, for people who cannot see it."""
    if recipe.sheet is None:
        return recipe.typed_of(index)
    return text(
        N_("A sheet: {about}"), locale, about=join_facts([format_sheet(recipe, locale), recipe.typed])
    )


def format_nothing_smaller(note: NothingSmaller, locale: str) -> str:
    """Return the note that the pictures of a sheet are not small."""
    sentence = N_(
        "This model draws nothing smaller than {size} in this shape, so each picture costs as much as usual."
    )
    return text(sentence, locale, size=(note.width_px, note.height_px))


def _labels(axis: SheetAxis, locale: str) -> tuple[tuple[str, str], ...]:
    """Return each label in this language, and a substitute in Latin letters."""
    return tuple(
        (_label(axis.axis, label, locale), _substitute(axis.axis, label, number))
        for number, label in enumerate(axis.labels, 1)
    )


def _label(axis: Axis, label: str, locale: str) -> str:
    match axis:
        case Axis.WEIGHT:
            return text(STRENGTH, locale, weight=label)
        case Axis.SEED:
            return text(SEED, locale, seeds=label)
        case Axis.LORA if not label:
            return text(NO_LORA, locale)
        case _:
            return label


def _substitute(axis: Axis, label: str, number: int) -> str:
    """Return what says the same in Latin letters, or counts."""
    if axis is Axis.PROMPT or not label.isascii():
        return f"{axis.value} {number}"
    return _label(axis, label, "en")


def _title(recipe: Recipe, sheet: Sheet, locale: str, *, with_prompt: bool = True) -> str:
    """Return what all pictures have in common."""
    is_common = with_prompt and all(axis.axis is not Axis.PROMPT for axis in sheet.axes)
    return join_facts(
        [shorten(recipe.typed, TITLE_CHARS) if is_common else "", _common(recipe, sheet, locale)]
    )


def _common(recipe: Recipe, sheet: Sheet, locale: str) -> str:
    """Return LoRAs and seed, as far as all pictures have the same."""
    differing, first = {axis.axis for axis in sheet.axes}, sheet.cells[0]
    loras = seed = ""
    if Axis.LORA not in differing:
        weighted = [
            lora.name if Axis.WEIGHT in differing else f"{lora.name} {lora.weight:g}" for lora in first.loras
        ]
        loras = " + ".join(weighted) or text(NO_LORA, locale)
    if Axis.SEED not in differing:
        seed = text(SEED, locale, seeds=first.seed)
    return join_facts([loras, seed])


def _sheet_of(recipe: Recipe) -> Sheet:
    if recipe.sheet is None:
        raise ValueError("not a sheet")
    return recipe.sheet
