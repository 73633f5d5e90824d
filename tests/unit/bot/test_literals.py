"""No sentence that people read stands outside the catalogue.

The check reads the source: a literal of three words or with Chinese characters must be an argument of ``N_``
or ``text``, part of a log line, an exception or an assertion, or in a module named here with its reason.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import bot

ROOT = Path(bot.__file__).parent
SENTENCE = re.compile(r"[A-Za-z']+,? [a-z']+,? [a-z']+|[\u4e00-\u9fff]")
TRANSLATED = {"N_", "text"}
NOT_READ = {"getLogger", "get_logger", "compile", "Option", "Argument", "Field", "_must_be"}
LOGS = {"log", "logger"}
FIGURES = {
    "Counter",
    "Gauge",
    "Histogram",
    "CounterMetricFamily",
    "GaugeMetricFamily",
    "LogLimiter",
    "ErrorRule",
}
KEYWORDS = {"name", "description", "help"}  # of tasks, fields and shell commands; the last two are msgids
MODULES = {
    "chats/discord_/incoming/event_kinds.py": "the table of kinds, for developers",
    "chats/telegram_/incoming/event_kinds.py": "the table of kinds, for developers",
    "chats/telegram_/outgoing/sender.py": "parts of Telegram's error texts",
    "cli/serve.py": "the first prompt of the demonstration, in both languages",
    "cli/bench/article.py": "the prompt of the article",
    "cli/bench/article_table.py": "the table of the article, written to a file",
    "cli/doctor.py": "the report for a public issue, in English",
    "checks/canary.py": "a prompt",
    "cli/setup/verification.py": "details of errors, which bot.messages.details translates",
    "checks/platform_api.py": "details of errors, which bot.messages.details translates",
    "chats/discord_/adapter.py": "details of errors, which bot.messages.details translates",
    "chats/telegram_/adapter.py": "details of errors, which bot.messages.details translates",
    "chats/discord_/incoming/message_menus.py": "names of menus, with their Chinese",
    "desk/backups.py": "details of errors, which bot.messages.details translates",
    "desk/drawing/loop.py": "a line of the log",
    "desk/finding/words.py": "a range of characters",
    "store/database.py": "details of errors, which bot.messages.details translates",
    "monitoring/monitor.py": "what a figure for Prometheus counts",
    "messages/details.py": "lines of SQLite, with their translations",
    "messages/page.py": "each language's own name",
}
BOTH_LANGUAGES = ("commands", "languages")  # what people type is there in both


class Literals(ast.NodeVisitor):
    """Collects the literals of a module that look like sentences."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(getattr(node.func, "value", None), "id", "")
        if called in TRANSLATED | NOT_READ | FIGURES or owner in LOGS:
            return
        for argument in (*node.args, *(each.value for each in node.keywords if each.arg not in KEYWORDS)):
            self.visit(argument)
        self.visit(node.func)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Programming errors: the errors of people have facts, not texts."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Not read by people."""

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and SENTENCE.search(node.value):
            self.found.append(node.value)


def literals(source: str) -> list[str]:
    visitor = Literals()
    visitor.visit(ast.parse(source))
    return visitor.found


def modules() -> Iterator[tuple[str, str]]:
    for file in sorted(ROOT.rglob("*.py")):
        if file.relative_to(ROOT).parts[0] not in BOTH_LANGUAGES:
            yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


def test_no_sentence_stands_outside_the_catalogue() -> None:
    found = {name: literals(source) for name, source in modules() if name not in MODULES}
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_the_check_finds_a_sentence() -> None:
    assert literals('send("You have no credits left")') == ["You have no credits left"]
    assert literals('send(f"还剩 {left} 点")') == ["还剩 ", " 点"]
    assert literals('send(text(N_("You have no credits left"), locale))') == []
    assert literals('log.info("nothing is left here", job_id=1)') == []


def test_every_exception_is_still_needed() -> None:
    sources = dict(modules())
    assert {name for name in MODULES if name in sources and not literals(sources[name])} == set()
    assert {name for name in MODULES if not (ROOT / name).is_file()} == set()
