"""The messages about recipe codes and the settings of picture files."""

from bot.commands.finding.codes import format_recipe_code
from bot.messages.catalogue import N_, text
from bot.outcomes import Recipe, RecipeShown, Setting, SettingsRead

NO_QUOTA = N_("You need no credits here, because this machine is yours.")
RECIPE_PRICE = N_(
    "Drawing this takes {price} of your credits; /sugar {code} --dry also tells its place in the queue."
)

LEFT_OUT: dict[Setting, str] = {
    Setting.NEGATIVE: N_("negative prompt “{value}” (this model ignores it)"),
    Setting.SAMPLER: N_("sampler {value} (this model has its own)"),
    Setting.GUIDANCE: N_("CFG scale {value} (this model uses none)"),
    Setting.STEPS: N_("{value} steps (this model has its own number)"),
    Setting.MODEL: N_("model {value} (another model draws another picture)"),
    Setting.SIZE: N_("size {value} (the nearest possible size is used)"),
    Setting.SEED: N_("seed {value} (it gets a new one)"),
    Setting.LORAS: N_("LoRA {value} (not on my shelf)"),
    Setting.HYPERNETS: N_("hypernetwork {value} (not supported)"),
    Setting.UPSCALING: N_("upscaling {value}"),
    Setting.START: N_("the picture that it started from"),
}


def format_code(recipe: Recipe, locale: str) -> str:
    """Return the recipe's code as a fact of a line; empty without one."""
    if not recipe.code:
        return ""
    return text(N_("recipe {code}"), locale, code=format_recipe_code(recipe.code))


def copyable_code(recipe: Recipe, locale: str) -> tuple[str, str]:
    """Return the label of a code, and the code alone to be copied; both empty without a code."""
    if not recipe.code:
        return "", ""
    return text(N_("Recipe code, to copy or to share:"), locale), format_recipe_code(recipe.code)


def format_recipe(shown: RecipeShown, locale: str) -> str:
    """Return a recipe as the command that asks for it, and how to draw it."""
    code = format_recipe_code(shown.code)
    lines = [text(N_("Recipe {code}:"), locale, code=code), shown.text]
    if shown.gone:
        lines.append(text(LORAS_GONE, locale, names=shown.gone))
    else:
        sentence = N_("/sugar {code} draws exactly this, in any of my chats; change the text to vary it.")
        lines.append(text(sentence, locale, code=code))
    return "\n".join([*lines, *_price_of(shown, locale)])


def _price_of(shown: RecipeShown | SettingsRead, locale: str) -> list[str]:
    """Return the line about the price of drawing it; none if it cannot be drawn now."""
    if shown.price is None:
        return []
    sentence = RECIPE_PRICE if shown.price else NO_QUOTA
    return [text(sentence, locale, price=shown.price, code=format_recipe_code(shown.code))]


LORAS_GONE = N_(
    "Its exact LoRA file is not on my shelf any more, or not for you: {names}. So I can't draw the same "
    "pictures; change the text to draw with another LoRA."
)


def format_settings(read: SettingsRead, locale: str) -> str:
    """Return the settings of a file as the command that asks for them, and what is not carried over."""
    lines = [text(N_("The settings in this picture:"), locale), read.text]
    if read.left_out:
        lines.append(text(N_("Not carried over:"), locale))
        lines += [f"- {text(LEFT_OUT[setting], locale, value=value)}" for setting, value in read.left_out]
    if read.by_name:
        sentence = N_("Found by its name alone, so its file may be another one: {names}.")
        lines.append(text(sentence, locale, names=read.by_name))
    sentence = N_(
        "/sugar {code} draws this. I read only the settings: pictures that people send are never used as a "
        "start."
    )
    lines.append(text(sentence, locale, code=format_recipe_code(read.code)))
    return "\n".join([*lines, *_price_of(read, locale)])
