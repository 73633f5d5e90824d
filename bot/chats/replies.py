"""What a reply to a message with a picture asks for; every chat with replies reads them here.

A drawing keeps the settings of the picture and changes what the reply says. A command about a job is about
the picture, and ``/info`` without a file shows its recipe.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot.commands.grammar import parse, parse_about, parse_reply, with_file
from bot.commands.values import Command, Draw, Edit, ReadSettings, SentFile, ShowRecipe
from bot.errors import EmptyPrompt
from bot.outcomes import EditableText, Outcome
from engine.request import MAX_SEED

Ask = Callable[[Edit], Awaitable[Outcome]]
"""Asks the desk on behalf of the person who replied."""


async def command_of_reply(
    text: str, job_id: str, index: int | None, file: SentFile | None, ask: Ask
) -> Command:
    """Return the command of a reply to picture ``index`` of a job, or to all of its pictures.

    Raises:
        PersonError: It is not understood, or the person may not draw from this job.
    """
    command: Command | None
    try:
        command = with_file(parse_about(text, job_id, index), file)
    except EmptyPrompt:  # options alone
        command = None
    if isinstance(command, ReadSettings) and command.file is None:
        return ShowRecipe(job_id=job_id)
    if not isinstance(command, Draw | None):
        return command
    drawing = await _drawing_of(job_id, index, ask)
    return parse(text) if drawing is None else parse_reply(text, drawing)


async def _drawing_of(job_id: str, index: int | None, ask: Ask) -> Draw | None:
    """Return the drawing that leads to a picture, or to all of them; None if its text asks for none.

    Raises:
        PersonError: The person may not see its settings, or they are gone.
    """
    editable = await ask(Edit(job_id))
    draw = parse(editable.text) if isinstance(editable, EditableText) else None
    if not isinstance(draw, Draw):
        return None
    if index is not None and draw.seed is not None:  # one picture of a batch
        draw = replace(draw, seed=(draw.seed + index) % (MAX_SEED + 1), count=1)
    return replace(draw, edited_from=job_id)
