"""The pages are true: generated parts are up to date, and all that a page names exists, in both languages."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.commands.grammar import parse
from bot.commands.table import COMMANDS
from bot.errors import UnknownCommand
from bot.messages.catalogue import read_catalogue
from bot.settings import every_setting, load_settings
from engine.shelf.sidecar import parse_sidecar
from tests.docs.pages import PAGES, PART, PARTS, ROOT, filled, language_of
from tests.docs.shell import shell_commands

READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
OTHERS = (ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "tests" / "README.md")
MOST_LINES = 150  # of a README
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
QUOTE = re.compile("“([^”]*)”")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
BOTFATHER = {"/newbot", "/setinline", "/setjoingroups", "/setprivacy", "/revoke", "/start"}
ADDRESSES = {"/livez", "/readyz", "/metrics", "/operator"}  # of the page
SETTING = re.compile(r"(\w+)\.(\w+)( = .+)?")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def english(page: Path) -> Path:
    return page.with_name(page.name.replace(".zh-CN.md", ".md"))


def without_parts(page: Path) -> str:
    return PART.sub(r"\1\3", page.read_text(encoding="utf-8"))


def spans(page: Path) -> Iterator[str]:
    """The code in the sentences of a page, without the generated parts and blocks."""
    yield from CODE.findall(BLOCK.sub("", without_parts(page)).replace("\\|", "|"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_generated_parts_of_a_page_are_up_to_date(page: Path) -> None:
    assert filled(page) == page.read_text(encoding="utf-8"), "run: python -m tests.docs"


def test_a_stale_part_is_found(tmp_path: Path) -> None:
    page = tmp_path / "settings.zh-CN.md"
    page.write_text("before\n<!-- settings: begin -->\nold\n<!-- settings: end -->\n<!-- other: begin -->\n")
    assert "old" not in filled(page)
    assert filled(page).startswith("before\n<!-- settings: begin -->\n| 设置")
    assert filled(page).endswith("<!-- settings: end -->\n<!-- other: begin -->\n")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_the_same_parts_and_headings_in_both_languages(page: Path) -> None:
    pages = [english(page), english(page).with_suffix(".zh-CN.md")]
    parts = [[found[2] for found in PART.finditer(each.read_text(encoding="utf-8"))] for each in pages]
    assert parts[0] == parts[1]
    assert set(parts[0]) <= {*PARTS, "bench"}
    texts = [BLOCK.sub("", without_parts(each)) for each in pages]
    levels = [[marks for marks, _ in HEADING.findall(text)] for text in texts]
    assert levels[0] == levels[1]
    images = [re.findall(r"!\[[^]]*\]\(([^)]+)\)", text) for text in texts]
    assert images[0] == images[1]


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_a_readme_is_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = [
        re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", title) for _, title in HEADING.findall(page.read_text())
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_chat_command_that_a_page_names_is_understood(page: Path) -> None:
    for span in spans(page):
        if (
            len(span) > 1
            and span.startswith("/")
            and span.split()[0] not in BOTFATHER | ADDRESSES
            and span.count("/") == 1
        ):
            try:
                parse(re.sub(r" ?…", "", span))
            except UnknownCommand as error:
                pytest.fail(f"{span}: {error}")
            except Exception:  # noqa: BLE001, S110
                pass  # it exists; what it lacks is not said there


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_shell_command_that_a_page_names_exists(page: Path) -> None:
    commands = dict(shell_commands())
    blocks = "\n".join(text for kind, text in BLOCK.findall(without_parts(page)) if kind in ("sh", "console"))
    lines = [line.split("#")[0] for line in blocks.splitlines()]
    for line in [*spans(page), *lines]:
        if found := re.match(r"(?:\$ )?(?:\.venv/bin/)?(sugarbot) ([a-z]+.*)", line.strip()):
            words = found[2].split()
            name = next(
                (
                    name
                    for name in (f"sugarbot {' '.join(words[:count])}" for count in (2, 1))
                    if name in commands
                ),
                "",
            )
            is_group = any(each.startswith(f"sugarbot {words[0]} ") for each in commands)
            assert name or is_group, line
            options = (
                {each for command in [commands[name]] for p in command.params for each in p.opts}
                if name
                else set()
            )
            said = (
                {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
                if '"' not in line
                else set()
            )
            assert said <= options, line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    settings = {each.name for each in every_setting()}
    tables = {name.partition(".")[0] for name in settings if "." in name}
    for span in spans(page):
        found = SETTING.fullmatch(span)
        if found and found[1] in tables:
            assert f"{found[1]}.{found[2]}" in settings, span
        if found := re.fullmatch(r"\[([a-z.]+)\]", span):
            assert found[1] in tables, span


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_example_of_a_file_is_valid(page: Path, tmp_path: Path) -> None:
    for kind, text in BLOCK.findall(without_parts(page)):
        if kind == "toml" and "trigger" in tomllib.loads(text):
            assert parse_sidecar(text.encode())
        elif kind == "toml":
            file = tmp_path / "sugarbot.toml"
            file.write_text(text, encoding="utf-8")
            assert load_settings(file, {})


def test_every_command_and_setting_is_in_the_reference_of_each_language() -> None:
    for suffix in (".md", ".zh-CN.md"):
        commands = (ROOT / "docs" / f"commands{suffix}").read_text(encoding="utf-8")
        for entry in COMMANDS:
            assert f"| `/{entry.alone.name if entry.alone else entry.name}` |" in commands
        settings = (ROOT / "docs" / f"settings{suffix}").read_text(encoding="utf-8")
        for setting in every_setting():
            assert f"| `{setting.key}` |" in settings


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("troubleshooting*.md")), ids=name_of)
def test_a_sentence_that_a_symptom_quotes_is_one_that_the_bot_says(page: Path) -> None:
    sentences = read_catalogue()
    said = " ".join(sentences.values() if language_of(page) == "zh-CN" else sentences)
    quotes = [
        quote
        for row in re.findall(r"^\| ([^|]*) \|", without_parts(page), re.MULTILINE)
        for quote in QUOTE.findall(row)
    ]
    assert len(quotes) >= 4
    for quote in quotes:
        parts = [part.strip() for part in quote.split("…")]
        assert all(part in said for part in parts), quote
