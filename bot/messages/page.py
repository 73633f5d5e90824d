"""The texts of the local web page."""

from bot.messages.catalogue import N_, text

LANGUAGES = {"en": "English", "zh-CN": "简体", "zh-TW": "繁體"}
"""Each language's own name."""

EXAMPLES = {
    "en": (
        "a girl with porcelain skin, rose blush, nude lip glaze, smiling eyes, fine lashes, wavy hair",
        "tanned skin, round eyes, red lips, blue twin tails, round glasses --lora anime -n 2",
        "/loras",
        "/quota",
    ),
    "zh-CN": (
        "Sugar面部,纯欲甜妹脸部,淡颜系清甜长相,清透水光肌,微醺蜜桃腮红,薄涂裸粉唇釉,眼尾轻挑带慵懒笑意,细碎睫毛轻颤",
        "小麦色肌肤, 圆润杏眼, 正红唇, 蓝色双马尾, 圆框眼镜 --lora anime -n 2",
        "/loras",
        "/quota",
    ),
}
"""Examples on an empty page; the first Chinese one is the prompt of the project's source article."""

PAGE = {
    "title": N_("Sugarbot"),
    "tagline": N_("Faces, drawn on your own machine"),
    "welcome": N_("What should I draw?"),
    "invite": N_("Describe a face in English or Chinese, or type /help."),
    "strip": N_(
        "The same prompt and seed, drawn by the built-in model: without a LoRA, then with each LoRA at "
        "half and full weight."
    ),
    "strip_alt": N_("Seven portraits of the same face in a row: no LoRA, sugar, anime and realistic"),
    "conversation": N_("Conversation"),
    "message": N_("Message"),
    "placeholder": N_("Describe a face, or type / for a command"),
    "commands": N_("Commands"),
    "send": N_("Send"),
    "picture": N_("Read picture"),
    "read_settings": N_("Read the settings inside a picture file"),
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
    "full_size": N_("Open full size"),
    "copied": N_("Copied."),
    "confirm_delete": N_("Press again to delete"),
    "spoiler": N_("Hidden; show the picture"),
    "status": N_("Status"),
    "memory": N_("Memory"),
    "main_memory": N_("Main memory"),
    "memory_used": N_("{used} of {total} GiB used"),
    "memory_free": N_("{free} GiB for drawing"),
    "drawing": N_("Drawing"),
    "idle": N_("idle"),
    "step": N_("step {step} of {steps}"),
    "a_picture": N_("a picture"),
    "waiting": N_("Waiting"),
    "default_lora": N_("Default LoRA"),
    "none": N_("none"),
    "to_operator": N_("For the host: queue, people, log"),
    # about the page itself
    "open_page": N_("Open Sugarbot"),
    "no_script": N_("This page needs JavaScript. Allow it here, or use the terminal: sugarbot say"),
    "lost": N_("No connection to the bot. The page tries again by itself."),
    "unsent": N_("The bot did not answer. Your message is back in the box; send it again in a moment."),
    "not_answered": N_("The bot did not answer. Try again in a moment."),
    # why a request is refused
    "wrong_host": N_("This page is only available at {url}. Open it there."),
    "foreign": N_("This request came from another site, so nothing was done. Open Sugarbot's own page."),
    "no_session": N_("This page has no session. Reload it."),
    "not_found": N_("There is nothing at this address."),
    "wrong_method": N_("Nothing was done: this address does not accept such a request."),
    "not_json": N_("Nothing was done: the request is not JSON. Reload the page."),
    "malformed": N_("Nothing was done: the message is incomplete. Reload the page and try again."),
    "too_slow": N_("Nothing was done: the message took too long to arrive. Try again."),
    "too_large": N_("Nothing was done: the message is too long. Write at most {limit} characters."),
    "head_too_large": N_("Nothing was done: the address or the cookies of this request are too long."),
    "too_many_tabs": N_("Too many tabs of this page are open. Close some and reload this one."),
}


def page_text(key: str, locale: str, **facts: object) -> str:
    """Return a text of the page.

    Raises:
        KeyError: There is no such text: a bug.
    """
    return text(PAGE[key], locale, **facts)
