"""Writes ``bot/languages/taiwan.json``: each Chinese text of ours as people in Taiwan read it and type it.

Run ``python -m tests.taiwan`` after a change of a Chinese text. It needs OpenCC, of the extra ``dev``;
its dictionaries would take 44 MB of a running bot.
"""

import json

import opencc

from bot.chats.discord_.incoming.message_menus import MENU_WORDS
from bot.commands.prompts.face import SURPRISE_WORDS
from bot.commands.table import COMMANDS, SUGAR_OPTIONS, UNSUPPORTED
from bot.commands.values import Draw
from bot.languages import TAIWAN_FILE
from bot.messages.catalogue import read_catalogue

CORRECTIONS = {
    "許可權": "權限",
    "視訊記憶體": "顯示記憶體",
    "併為": "並為",
    "引數": "參數",
    "全域性": "全域",
    "隻讀": "唯讀",
    "最多隻能": "最多只能",
    " 里加上": " 裡加上",
    "介面卡": "轉接器",
    "映象": "鏡像",
    "擴音示": "免提示",
    "發文件": "發檔案",
    "滿或只讀": "滿或唯讀",
    "響應": "回應",
    "賬": "帳",
    "最佳質量": "最佳品質",
    "文本": "文字",
    "些專案": "些項目",
    "文章的專案": "文章的項目",
    "專案，例如": "項目，例如",
    "“": "「",
    "”": "」",
}
"""What the dictionaries write → what people in Taiwan write."""


def taiwan_texts() -> dict[str, dict[str, str]]:
    """Return the content of ``taiwan.json``: by our text, the form to show, and other forms to type."""
    phrases, characters = opencc.OpenCC("s2twp"), opencc.OpenCC("s2tw")
    entry_options = [option for entry in COMMANDS for option in entry.options]
    options = [*SUGAR_OPTIONS, *entry_options]
    words = [
        *(word for entry in COMMANDS for word in (entry.word, *entry.words)),
        *(entry.alone.word for entry in COMMANDS if entry.alone),
        *(word for option in options for word in (option.word, *option.flags)),
        *(choice.word for option in options for choice in (*option.choices, *option.named)),
        *SURPRISE_WORDS,
        *UNSUPPORTED,
        *MENU_WORDS.values(),
    ]
    shown: dict[str, str] = {}
    typed: dict[str, str] = {}
    catalogue = read_catalogue()
    # Prompts stay as they are: the built-in model knows words in Simplified characters alone.
    prompts = {entry.usage for entry in COMMANDS if entry.command_type is Draw}
    prompts |= {option.example for option in SUGAR_OPTIONS}
    sentences = [chinese for msgid, chinese in catalogue.items() if msgid not in prompts]
    for chinese in (*sentences, *words):
        taiwanese = phrases.convert(chinese)
        for wrong, right in CORRECTIONS.items():
            taiwanese = taiwanese.replace(wrong, right)
        if taiwanese != chinese:
            shown[chinese] = taiwanese
    for word in words:
        form = characters.convert(word)
        if form not in (word, shown.get(word)):
            typed[word] = form
    return {"shown": dict(sorted(shown.items())), "typed": dict(sorted(typed.items()))}


def main() -> None:
    """Write the file."""
    text = json.dumps(taiwan_texts(), ensure_ascii=False, indent=0)
    TAIWAN_FILE.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
