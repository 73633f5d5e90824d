"""The row about answers that are sent to Telegram while the process is killed."""

from tests.crash.platforms import telegram_answers
from tests.crash.rows import Measured, Row, Scale


def answers_in_flight(scale: Scale) -> Measured:
    """Kill the bot between the work for an event and its answer."""
    found = telegram_answers.run(scale.folder, scale.of(1, 10))
    lost = f": {', '.join(found.lost[:3])}" if found.lost else ""
    return Measured(f"{found.kills} kills: {len(found.lost)} answers lost{lost}", not found.lost)


ROWS = (
    Row(
        "1d",
        "kill -9 while an answer is sent to Telegram",
        "120 kills: 0 answers lost; a plain answer may arrive twice",
        answers_in_flight,
    ),
)
