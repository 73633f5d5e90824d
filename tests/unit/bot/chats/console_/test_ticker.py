import io

from rich.console import Console

from bot.chats.console_.ticker import Ticker
from tests.unit.bot.chats.making import make_status


def told(*, terminal: bool) -> str:
    screen = io.StringIO()
    with Ticker(Console(file=screen, width=100, force_terminal=terminal)) as ticker:
        ticker.show(make_status(place=1, step=0, steps=0))
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
