import io

from rich.console import Console

from bot.chats.console.progress import ProgressDisplay
from tests.unit.bot.chats.making import make_receipt, make_status


def shown(*, terminal: bool) -> str:
    screen = io.StringIO()
    with ProgressDisplay(Console(file=screen, width=100, force_terminal=terminal)) as progress:
        progress.show(make_status(position=1, step=0, steps=0))
        for step in range(1, 9):
            progress.show(make_status(step=step))
    return screen.getvalue()


def test_a_terminal_shows_a_bar_and_erases_it_at_the_end() -> None:
    screen = shown(terminal=True)

    assert "━" in screen
    assert "\x1b[2K" in screen  # the line is erased at the end


def test_a_log_has_one_line_for_each_change_of_position_or_picture() -> None:
    assert len(shown(terminal=False).splitlines()) == 2


def test_text_is_never_markup() -> None:
    screen = io.StringIO()

    ProgressDisplay(Console(file=screen, width=100)).print_line("[red]not red[/red] [/]")

    assert screen.getvalue() == "[red]not red[/red] [/]\n"


def test_control_characters_do_not_reach_the_terminal() -> None:
    screen = io.StringIO()

    ProgressDisplay(Console(file=screen, width=100)).print_line("\x1b[2Jgone \u202egnp.exe\x07")

    assert screen.getvalue() == "\\x1b[2Jgone \\u202egnp.exe\\x07\n"


def test_the_position_of_the_receipt_is_not_printed_again() -> None:
    screen = io.StringIO()
    progress = ProgressDisplay(Console(file=screen, width=100))

    progress.show_receipt(make_receipt(position=1), "en")
    progress.show(make_status(position=1, step=0, steps=0))
    progress.show(make_status(position=0, step=0, steps=0))

    first, *_, last = screen.getvalue().splitlines()
    assert first.startswith("Got it! 1 ahead of you")
    assert last == "You are next."
    assert screen.getvalue().count("ahead of you") == 1


def test_a_job_that_is_next_while_the_model_loads_is_printed_once() -> None:
    stream = io.StringIO()
    progress = ProgressDisplay(Console(file=stream, width=200))
    progress.show_receipt(make_receipt(position=0, is_loading=True), "en")
    progress.show(make_status(position=0, is_loading=True))
    progress.show(make_status(position=None, is_loading=True, step=0))
    assert stream.getvalue().count("next") == 1
    progress.show(make_status(position=None, step=1))
    assert "step 1 of 8" in stream.getvalue()
