"""The words on the local web page that no other chat has."""

from bot.words.catalogue import N_, text

LANGUAGES = {"en": "English", "zh-CN": "中文"}
"""What each language calls itself."""

PAGE = {
    "title": N_("Sugarbot"),
    "tagline": N_("Faces, drawn on your own machine"),
    "welcome": N_("What shall I draw?"),
    "invite": N_("Describe a face in English or Chinese, or type /help."),
    "strip": N_(
        "One prompt, one seed, by the built-in model: plain, then with each LoRA at half and at full weight."
    ),
    "strip_alt": N_("Seven portraits of the same face in a row: no LoRA, sugar, anime and realistic"),
    "message": N_("Message"),
    "placeholder": N_("Describe a face, or type / for a command"),
    "send": N_("Send"),
    "options": N_("Picture options"),
    "lora": N_("LoRA"),
    "chat_default": N_("This chat's default"),
    "no_lora": N_("No LoRA"),
    "weight": N_("Weight"),
    "shape": N_("Shape"),
    "native": N_("Native"),
    "count": N_("Pictures"),
    "language": N_("Language"),
    "progress": N_("Progress"),
    "full_size": N_("Open at full size"),
    "card": N_("Card"),
    "memory": N_("Memory"),
    "memory_used": N_("{used} of {total} GiB used"),
    "memory_free": N_("{free} GiB for drawing"),
    "drawing": N_("Drawing"),
    "idle": N_("idle"),
    "step": N_("step {step} of {steps}"),
    "waiting": N_("Waiting"),
    "default_lora": N_("Default LoRA"),
    "none": N_("none"),
}


def page(key: str, locale: str, **facts: object) -> str:
    """A word of the page.

    Raises:
        KeyError: There is no such word; a mistake of ours.
    """
    return text(PAGE[key], locale, **facts)
