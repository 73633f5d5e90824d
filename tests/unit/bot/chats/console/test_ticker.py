import io

from rich.console import Console

from bot.chats.console.ticker import Ticker
from tests.unit.bot.chats.making import make_receipt, make_status


def told(*, terminal: bool) -> str:
    screen = io.StringIO()
    with Ticker(Console(file=screen, width=100, force_terminal=terminal)) as ticker:
        ticker.show(make_status(position=1, step=0, steps=0))
        for step in range(1, 9):
            ticker.show(make_status(step=step))
    return screen.getvalue()


def test_a_terminal_shows_a_bar_that_is_gone_afterwards() -> None:
    screen = told(terminal=True)

    assert "━" in screen
    assert "\x1b[2K" in screen  # the line is erased at the end


def test_a_log_gets_one_line_for_each_change_of_place_or_picture() -> None:
    assert len(told(terminal=False).splitlines()) == 2


def test_people_s_text_is_never_markup() -> None:
    screen = io.StringIO()

    Ticker(Console(file=screen, width=100)).tell("[red]not red[/red] [/]")

    assert screen.getvalue() == "[red]not red[/red] [/]\n"


def test_control_characters_of_people_do_not_reach_the_terminal() -> None:
    screen = io.StringIO()

    Ticker(Console(file=screen, width=100)).tell("\x1b[2Jgone \u202egnp.exe\x07")

    assert screen.getvalue() == "\\x1b[2Jgone \\u202egnp.exe\\x07\n"


def test_a_place_that_was_told_in_the_receipt_is_not_told_again() -> None:
    screen = io.StringIO()
    ticker = Ticker(Console(file=screen, width=100))

    ticker.receipt(make_receipt(position=1), "en")
    ticker.show(make_status(position=1, step=0, steps=0))
    ticker.show(make_status(position=0, step=0, steps=0))

    first, *_, last = screen.getvalue().splitlines()
    assert first.startswith("Got it! 1 ahead of you")
    assert last == "You are next."
    assert screen.getvalue().count("ahead of you") == 1


def test_a_job_that_is_next_while_the_model_loads_is_said_once() -> None:
    stream = io.StringIO()
    ticker = Ticker(Console(file=stream, width=200))
    ticker.receipt(make_receipt(position=0, is_loading=True), "en")
    ticker.show(make_status(position=0, is_loading=True))
    ticker.show(make_status(position=None, is_loading=True, step=0))
    assert stream.getvalue().count("next") == 1
    ticker.show(make_status(position=None, step=1))
    assert "step 1 of 8" in stream.getvalue()
