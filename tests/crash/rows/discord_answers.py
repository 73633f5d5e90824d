"""The row about answers that are sent to Discord while the process is killed."""

from tests.crash.platforms import discord_answers
from tests.crash.rows import Measured, Row, Scale


def answers_in_flight(scale: Scale) -> Measured:
    """Kill the bot after an acknowledgement, during an answer, and before it learns of the arrival."""
    found = discord_answers.run(scale.folder, scale.of(0, 10))
    lost = f", first: {found.lost[0]}" if found.lost else ""
    figures = f"{found.kills} kills: {len(found.lost)} answers lost{lost}, {found.twice} shown twice"
    return Measured(figures, not found.lost and found.kills > 0)


ROWS = (
    Row(
        "1c",
        "kill -9 while an answer is sent to Discord",
        "300 kills: 0 answers lost; a plain answer may arrive twice",
        answers_in_flight,
    ),
)
