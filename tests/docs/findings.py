"""What ``doctor`` finds, what is wrong with settings, and what ends a start: each with what to do."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import bot
from bot import errors
from bot.checks.repairs import REPAIRS
from bot.messages import text
from bot.messages.checks import part_title
from bot.messages.problems import FINDINGS, SETTINGS
from bot.messages.refusals import SENTENCES
from bot.messages.storage.upgrade import FINDINGS as UPGRADE_FINDINGS
from engine import errors as engine_errors
from tests.docs.markdown import code, plain, table

BOT = Path(bot.__file__).parent
OF_A_HOST = (
    errors.OperatorError,
    engine_errors.ModelError,
    engine_errors.LoraRejected,
    engine_errors.WorkerNotReady,
)
"""The errors that a host reads; the others are answers to people in a chat."""
HEADS = {
    "en": ("code", "about", "what it says"),
    "zh-CN": ("代码", "关于", "会说什么"),
}
PROBLEM_HEADS = {"en": ("code", "what it says"), "zh-CN": ("代码", "会说什么")}
ERROR_HEADS = {"en": ("error", "what it says"), "zh-CN": ("错误", "会说什么")}
WORDS = {
    "en": {"WRONG": "Faults", "NOTE": "Notes", "fix": "`doctor --fix` repairs it."},
    "zh-CN": {"WRONG": "错误", "NOTE": "提示", "fix": "`doctor --fix` 会修好它。"},
}


def findings_part(locale: str) -> str:
    """Return a table of the faults and a table of the notes of ``doctor``."""
    return _by_level(FINDINGS, locale)


def upgrades_part(locale: str) -> str:
    """Return a table of the faults and a table of the notes of ``upgrade --check``."""
    return _by_level(UPGRADE_FINDINGS, locale)


def settings_problems_part(locale: str) -> str:
    """Return a table of what can be wrong with ``sugarbot.toml`` and the environment."""
    rows = [(code(each), _sentence(SETTINGS[each], locale) + _fix(each, locale)) for each in SETTINGS]
    return table(PROBLEM_HEADS[locale], rows)


def errors_part(locale: str) -> str:
    """Return a table of the errors that hosts read."""
    kinds = [kind for kind in SENTENCES if issubclass(kind, OF_A_HOST)]
    return table(
        ERROR_HEADS[locale], [(code(kind.__name__), _sentence(SENTENCES[kind], locale)) for kind in kinds]
    )


def _by_level(findings: Mapping[str, str], locale: str) -> str:
    parts = []
    for level in ("WRONG", "NOTE"):
        rows = [_row(each, locale) for each in findings if level in LEVELS[each] and _says_something(each)]
        parts.append(f"### {WORDS[locale][level]}\n\n{table(HEADS[locale], rows)}")
    return "\n\n".join(parts)


def _row(finding: str, locale: str) -> tuple[str, ...]:
    about = "<br>".join(plain(part_title(part, locale)) for part in sorted(PARTS[finding]))
    return code(finding), about, _sentence(SENTENCES_OF[finding], locale) + _fix(finding, locale)


def _sentence(msgid: str, locale: str) -> str:
    return plain(text(msgid, locale))


def _fix(finding: str, locale: str) -> str:
    return f"<br>{WORDS[locale]['fix']}" if finding in REPAIRS else ""


def _says_something(finding: str) -> bool:
    """Whether its sentence is more than a fact alone, which other tables have."""
    return re.fullmatch(r"\{\w+\}|\{\w+\}[:,] \{\w+\}", SENTENCES_OF[finding]) is None


def _found() -> Iterator[tuple[str, str, str]]:
    """Return level, part and code of each finding that the source makes."""
    for file in sorted([*(BOT / "checks").rglob("*.py"), *(BOT / "cli").rglob("*.py")]):
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Finding":
                        level, part, finding = call.args[:3]
                        parts = _values(part, function) or ["discord", "telegram"]
                        for one in _values(finding, function):
                            yield from ((getattr(level, "attr", ""), each, one) for each in parts)


def _values(node: ast.expr, function: ast.AST) -> list[str]:
    """Return the texts that an argument may have: a literal's, or those given to a name in the function."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    given = [
        each for each in ast.walk(function) if isinstance(each, ast.Assign) and isinstance(node, ast.Name)
    ]
    named = [each.value for each in given if getattr(each.targets[0], "id", "") == node.id]
    return [str(part.value) for value in named for part in ast.walk(value) if isinstance(part, ast.Constant)]


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name, value in pairs:
        groups[name].add(value)
    return groups


SENTENCES_OF = FINDINGS | UPGRADE_FINDINGS
LEVELS = _grouped((found, level) for level, _, found in _found())
PARTS = _grouped((found, part) for _, part, found in _found())
