"""Every test that the README names for a convention exists."""

import re
from pathlib import Path

import bot.chats.telegram_

ROOT = Path(__file__).resolve().parents[5]
README = Path(bot.chats.telegram_.__file__).with_name("README.md")
NAMED = re.compile(r"`(?P<file>(?:tests/[\w/]+/)?test_\w+\.py)(?:::(?P<test>test_\w+))?`")
HERE = (ROOT / "tests/integration/telegram", ROOT / "tests/unit/bot/chats/telegram_/outgoing")


def test_every_convention_has_its_row_and_every_named_test_exists() -> None:
    text = README.read_text(encoding="utf-8")
    assert [int(row) for row in re.findall(r"^\| T(\d+) \|", text, re.MULTILINE)] == list(range(1, 24))
    found = list(NAMED.finditer(text))
    assert len(found) > 20
    for each in found:
        places = [folder / each["file"] for folder in HERE] + [ROOT / each["file"]]
        sources = [place.read_text(encoding="utf-8") for place in places if place.is_file()]
        assert sources, each["file"]
        assert not each["test"] or any(f"def {each['test']}(" in source for source in sources), each["test"]
