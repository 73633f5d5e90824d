"""What the command line of ``setup`` says, so that it is not asked; wrong values are refused at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bot.errors import BadSettings, Problem
from bot.messages import N_
from bot.settings import settings_of
from engine.config import BUILT_IN

HUB, MIRROR, MODELSCOPE, FOLDER = "hub", "mirror", "modelscope", "folder"
KEEP = "keep"  # another published model, which the settings name already
SOURCES = (BUILT_IN, HUB, MIRROR, MODELSCOPE)
WEIGHTS = N_("built-in, hub, mirror, modelscope or a folder with the model")
OWNER, EXAMPLE_OWNER = N_("one person, as platform:user-id"), "discord:123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupOptions:
    """The options; empty means not given.

    Attributes:
        config: The settings file.
        token_files: By platform, a file with the token; tokens themselves would be in the shell's history.
        proxies: By platform.
        weights: One of ``SOURCES``, or a folder.
        endpoint: The address of a mirror.
        owner: The first host, as ``platform:user-id``.
        is_silent: Take the default wherever nothing is said, and ask nothing.
        only_claim: Make a new code for the first host, and nothing else.
    """

    config: Path | None = None
    language: str = ""
    token_files: Mapping[str, Path] = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    endpoint: str = ""
    loras: str = ""
    owner: str = ""
    is_silent: bool = False
    only_claim: bool = False


def check_options(options: SetupOptions) -> None:
    """Refuse wrong values, by the names that the person typed.

    Raises:
        BadSettings: ``problems`` names options, and nothing has been asked or written.
    """
    problems: list[Problem] = []
    for option, setting, value in (
        ("--language", "language", options.language),
        ("--owner", "hosts", [options.owner] if options.owner else ""),
        ("--endpoint", "engine.endpoint", options.endpoint),
        *((f"--{platform}-proxy", f"{platform}.proxy", proxy) for platform, proxy in options.proxies.items()),
    ):
        problems += [_problem_of(option, problem) for problem in _problems_of(setting, value)]
    if options.weights and not _is_model(options.weights):
        facts = {"setting": "--weights", "value": options.weights}
        problems.append(Problem("must_be_not", facts | {"what": WEIGHTS, "example": BUILT_IN}))
    if problems:
        raise BadSettings(problems=tuple(problems))


def _problems_of(setting: str, value: str | list[str]) -> tuple[Problem, ...]:
    """Return the problems of a value alone, whatever file and environment say; an empty one has none."""
    values: Any = value
    for key in reversed(setting.split(".")):
        values = {key: values}
    try:
        if value:
            settings_of(values, {}, {})
    except BadSettings as error:
        return cast("tuple[Problem, ...]", error.facts["problems"])
    return ()


def _problem_of(option: str, problem: Problem) -> Problem:
    facts = {**problem.facts, "setting": option}
    if option == "--owner":
        facts |= {"what": OWNER, "example": EXAMPLE_OWNER}
    return Problem(problem.code, facts)


def _is_model(weights: str) -> bool:
    return weights in (*SOURCES, KEEP, FOLDER) or Path(weights).expanduser().is_dir()
