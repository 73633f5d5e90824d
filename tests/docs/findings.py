"""What ``doctor`` finds, what is wrong with settings, and what ends a start: each with what to do."""

import ast
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
    "en": ("code", "about", "what doctor says"),
    "zh-CN": ("代码", "关于", "doctor 会说"),
}
PROBLEM_HEADS = {"en": ("code", "what it says"), "zh-CN": ("代码", "会说什么")}
ERROR_HEADS = {"en": ("error", "what it says"), "zh-CN": ("错误", "会说什么")}
WORDS = {
    "en": {"WRONG": "Faults", "NOTE": "Notes", "fix": "`doctor --fix` repairs it."},
    "zh-CN": {"WRONG": "错误", "NOTE": "提示", "fix": "`doctor --fix` 会修好它。"},
}


def findings_part(locale: str) -> str:
    """Return a table of the faults and a table of the notes."""
    parts = []
    for level in ("WRONG", "NOTE"):
        rows = [
            _row(code_, locale) for code_ in FINDINGS if level in LEVELS[code_] and _says_something(code_)
        ]
        parts.append(f"### {WORDS[locale][level]}\n\n{table(HEADS[locale], rows)}")
    return "\n\n".join(parts)


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


def _row(code_: str, locale: str) -> tuple[str, ...]:
    about = "<br>".join(plain(part_title(part, locale)) for part in sorted(PARTS[code_]))
    return code(code_), about, _sentence(FINDINGS[code_], locale) + _fix(code_, locale)


def _sentence(msgid: str, locale: str) -> str:
    return plain(text(msgid, locale))


def _fix(code_: str, locale: str) -> str:
    return f"<br>{WORDS[locale]['fix']}" if code_ in REPAIRS else ""


def _says_something(code_: str) -> bool:
    """Whether its sentence is more than a fact alone, which other tables have."""
    return not FINDINGS[code_].startswith("{") or not FINDINGS[code_].endswith("}")


def _found() -> Iterator[tuple[str, str, str]]:
    """Return level, part and code of each finding that the source makes."""
    for file in sorted([*(BOT / "checks").rglob("*.py"), *(BOT / "cli").rglob("*.py")]):
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            strings = [each.value for each in ast.walk(function) if isinstance(each, ast.Constant)]
            codes = [each for each in strings if isinstance(each, str) and each in FINDINGS]
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Finding":
                    level, part, given = call.args[:3]
                    named = [given.value] if isinstance(given, ast.Constant) else codes
                    parts = [part.value] if isinstance(part, ast.Constant) else ["discord", "telegram"]
                    for one in named:
                        yield from ((getattr(level, "attr", ""), each, str(one)) for each in map(str, parts))


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name, value in pairs:
        groups[name].add(value)
    return groups


LEVELS = _grouped((found, level) for level, _, found in _found())
PARTS = _grouped((found, part) for _, part, found in _found())
