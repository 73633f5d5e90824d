"""The texts of the forms that some chats show: titles and labels of at most 45 characters, hints of 100."""

from bot.messages.catalogue import N_, text

FORM_TEXTS = {
    "edit_title": N_("Change it and draw again"),
    "vary_title": N_("Use as variation"),
    "picture": N_("Picture"),
    "strength": N_("How different"),
    "subtle": N_("A little: nearly the same picture"),
    "strong": N_("A lot: the same composition"),
    "add_title": N_("Add a LoRA"),
    "prompt": N_("What to draw"),
    "lora": N_("LoRA"),
    "lora_about": N_("Like sugar:0.8, several with commas, or none; leave it empty for the default here"),
    "size": N_("Size"),
    "size_about": N_("A shape like 2:3 or portrait, or pixels like 512x768"),
    "seed": N_("Seed"),
    "seed_about": N_("Leave it empty for a new one"),
    "count": N_("Pictures"),
    "file": N_("File"),
    "file_about": N_("A .safetensors file"),
    "link": N_("Or a link"),
    "link_about": N_("Its page at Hugging Face, ModelScope or Civitai"),
}
"""By the name of a field; ``<name>_about`` is the hint below its label."""


def form_text(key: str, locale: str) -> str:
    """Return a title, a label or a hint of a form; empty if the field has no hint.

    Raises:
        KeyError: There is no such field: a bug.
    """
    if key.endswith("_about") and key not in FORM_TEXTS:
        return ""
    return text(FORM_TEXTS[key], locale)


def you_wrote(typed: str, locale: str) -> str:
    """Return the line that gives back the text of a refused form, which the platform does not keep."""
    return text(N_("You wrote: {what}"), locale, what=typed)
