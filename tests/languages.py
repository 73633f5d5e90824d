"""Which parts of a text are in another language than the reader's."""

import re

# Three plain English words in a row, in lower case but for the first: names, options and paths are not.
ENGLISH = re.compile(r"(?<![\w/.`'\"<=\[-])[A-Za-z]['’a-z]+ (?:[a-z]['’a-z]*,? ){1,}[a-z]{2,}(?![\w/.=-])")
CHINESE = re.compile("[\u4e00-\u9fff]+")
NAMES = {
    "Sugar面部",
    "Anime动漫",
    "Realistic写实",
    "Sugarbot built-in",
    "sugarbot db",
    "sugarbot lora",
    "pip install",
    "git pull && make setup",
    "uv tool install",
    "docker compose up",
}


def foreign(printed: str, locale: str) -> list[str]:
    """Return English word groups in a Chinese text, or Chinese in an English one."""
    for name in NAMES:
        printed = printed.replace(name, "")
    found = CHINESE.findall(printed) if locale == "en" else ENGLISH.findall(printed)
    return [each for each in found if each.strip()]
