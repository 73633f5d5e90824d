"""Questions on the terminal. Without a terminal, or when asked to be silent, each answer is its default."""

import sys
from collections.abc import Sequence
from getpass import getpass
from typing import cast

from bot.cli.screen import Screen
from bot.errors import BadSettings, Problem
from bot.messages import N_, text
from bot.messages.problems import format_problem


class Dialogue:
    """Asks in the host's language.

    Attributes:
        locale: One of ``bot.languages.LOCALES``; the first answer may change it.
        is_silent: Nothing is asked.
    """

    def __init__(self, locale: str, *, is_silent: bool) -> None:
        self.locale = locale
        self.is_silent = is_silent or not sys.stdin.isatty()
        self.out = Screen()

    def say(self, line: str = "") -> None:
        """Print a line."""
        self.out.print_line(line)

    def refuse(self, error: BadSettings, asked: str) -> None:
        """Print what is wrong with an answer.

        Args:
            error: From the settings with the answer.
            asked: What was asked for, in the host's language; it stands for the setting.
        """
        for problem in cast("tuple[Problem, ...]", error.facts["problems"]):
            facts = {**problem.facts, "setting": asked}
            self.say(format_problem(Problem(problem.code, facts), self.locale))

    def ask(
        self, question: str, default: str = "", *, shown: str | None = None, is_hidden: bool = False
    ) -> str:
        """Return the typed line without the spaces around it; an empty one is the default.

        Args:
            question: In the host's language.
            default: The answer of who only presses Enter.
            shown: What stands for the default; None for itself.
            is_hidden: Nothing of the answer is shown.

        Raises:
            KeyboardInterrupt: The host ended the input.
        """
        if self.is_silent:
            return default
        hint = default if shown is None else shown
        prompt = f"{question} [{hint}] " if hint else f"{question} "
        try:
            # getpass hides what is typed before it asks, so that nothing typed at once is shown or lost.
            typed = getpass(prompt) if is_hidden else self.out.input(prompt, markup=False, emoji=False)
        except EOFError:
            raise KeyboardInterrupt from None
        return typed.strip() or default

    def choose(self, question: str, choices: Sequence[tuple[str, str]], default: str) -> str:
        """Return the key of the chosen row; people answer with its number or its key.

        Args:
            question: In the host's language.
            choices: Keys with their labels.
            default: A key.
        """
        keys = [key for key, _ in choices]
        if self.is_silent:
            return default
        self.say(question)
        for number, (_, label) in enumerate(choices, 1):
            self.say(f"  {number}  {label}")
        while True:
            answer = self.ask(text(N_("Number:"), self.locale), str(keys.index(default) + 1))
            if answer in keys:
                return answer
            if answer.isdecimal() and 1 <= int(answer) <= len(keys):
                return keys[int(answer) - 1]
            self.say(text(N_("Please type a number from 1 to {limit}."), self.locale, limit=len(keys)))
