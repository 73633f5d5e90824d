"""No English sentence in Chinese mode, no Chinese one in English mode: the parts that no other test walks.

``messages/test_catalogue`` proves that each marked sentence, command, option, setting and shell help has its
Chinese; ``test_literals`` that no sentence is unmarked; ``cli/test_language`` runs the commands. Here: what
the translations contain, engine errors as the engine makes them, the page's markup and script, and charts.
"""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import bot
import engine
from bot.languages import in_script
from bot.messages.catalogue import read_catalogue
from bot.messages.details import translate_detail
from bot.messages.refusals import SENTENCES
from engine import errors
from tests.languages import foreign

BOT, ENGINE = Path(bot.__file__).parent, Path(engine.__file__).parent
WEB = BOT / "chats" / "web"
TEMPLATES = sorted(WEB.rglob("*.html"))
SCRIPTS = sorted(WEB.rglob("*.js"))
DRAWN = [file for file in sorted(BOT.rglob("*.py")) if "ImageDraw" in file.read_text(encoding="utf-8")]
READ = {"alt", "aria-label", "aria-description", "placeholder", "title", "label"}
TYPED = {"code", "pre"}  # what a person types in a shell or a file
FOR_PROGRAMS = {"bench", "demo"}  # of developers: their output is English
LETTERS = re.compile(r"[A-Za-z]{2,}|[\u4e00-\u9fff]")


def test_no_translation_is_in_the_other_language() -> None:
    catalogue = read_catalogue()
    assert [english for english in catalogue if foreign(english, "en")] == []
    for locale in ("zh-CN", "zh-TW"):
        shown = [in_script(chinese, locale) for chinese in catalogue.values()]
        assert [chinese for chinese in shown if foreign(chinese, locale)] == []


def engine_lines() -> Iterator[tuple[str, str, str]]:
    """Where an error of the engine gets its line, which error, and the line with a name for each fact."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    for file in sorted(ENGINE.rglob("*.py")):
        if FOR_PROGRAMS.isdisjoint(file.relative_to(ENGINE).parts):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and (name := getattr(call.func, "id", "")) in kinds:
                    where = f"{file.relative_to(ENGINE)}:{call.lineno}"
                    yield from ((where, name, line) for part in call.args for line in lines(part))


def lines(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may have."""
    match node:
        case ast.Constant(value=str() as value):
            yield value
        case ast.JoinedStr(values=values):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "/a-1.x" for each in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*lines(body), *lines(orelse))


def test_every_line_of_an_engine_error_is_translated_where_its_sentence_shows_it() -> None:
    found = list(engine_lines())
    assert len(found) > 30
    english = {
        f"{where} {name}: {line}"
        for where, name, line in found
        if (kind := getattr(errors, name)) in SENTENCES
        and "{detail}" in SENTENCES[kind]
        and foreign(translate_detail(line, "zh-CN"), "zh-CN")
    }
    assert english == set(), "add these to bot.messages.details"


class _Words(HTMLParser):
    """Collects what a reader sees or hears of markup, without what the template engine puts there."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._typed = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._typed += tag in TYPED
        self.found += [value for name, value in attrs if name in READ and value]

    def handle_endtag(self, tag: str) -> None:
        self._typed -= tag in TYPED

    def handle_data(self, data: str) -> None:
        if not self._typed:
            self.found.append(data)


def words_of(template: str) -> list[str]:
    parser = _Words()
    parser.feed(re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", template, flags=re.DOTALL))
    return [word.strip() for word in parser.found if LETTERS.search(word)]


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_the_page_s_markup_has_no_words_of_its_own(file: Path) -> None:
    assert words_of(file.read_text(encoding="utf-8")) == []


def test_the_check_of_markup_finds_words() -> None:
    found = words_of(
        '<p title="Open it">{{ t("a") }}</p><b>Send</b><code>make</code><img alt="{{ t("x") }}">'
    )
    assert found == ["Open it", "Send"]


def script_words(source: str) -> list[str]:
    """Literals of a script that look like words for people: two words, or a capital letter and a space."""
    source = re.sub(r"^\s*//.*$|(?<=[;{}\s])//\s.*$", "", source, flags=re.MULTILINE)
    literals = re.findall(r"\"([^\"\n]*)\"|'([^'\n]*)'|`([^`]*)`", source)
    texts = [re.sub(r"\$\{[^}]*\}", "", "".join(each)) for each in literals]
    return [
        text
        for text in texts
        if re.search(r"[A-Za-z]{2,},? [a-z]{2,} |^[A-Z][a-z]+ [a-z]|[\u4e00-\u9fff]", text)
    ]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_the_page_s_script_has_no_words_of_its_own(file: Path) -> None:
    assert script_words(file.read_text(encoding="utf-8")) == []


def test_the_check_of_scripts_finds_words() -> None:
    source = (
        'show("Try again"); // of "a long comment"\nadd(`发送 ${name}`, "no answer from it", "use strict")'
    )
    assert script_words(source) == ["Try again", "发送 ", "no answer from it"]


@pytest.mark.parametrize("file", DRAWN, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_words_in_drawn_pictures_come_from_the_catalogue(file: Path) -> None:
    """No call that writes into a picture is given a literal with letters."""
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in {
            "write",
            "text",
            "multiline_text",
        }:
            texts = [text for part in call.args[1:3] for text in lines(part)]
            colours = [text for text in texts if text.startswith("#")]
            assert [text for text in texts if LETTERS.search(text) and text not in colours] == [], call.lineno
