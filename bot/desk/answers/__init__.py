"""Answers that survive a crash: a stored event is carried out once and answered the same each time.

* ``keeping``   carries a command out and stores its answer in the same transaction
* ``encoding``  outcomes and refusals as JSON, from a closed set of classes

A crash between the effect and ``Desk.finish_event`` leaves the answer in the inbox; the next start sends it.
Tests of this package alone: ``pytest tests/unit/bot/desk/answers``.
"""

from bot.desk.answers.keeping import StoredAnswers

__all__ = ["StoredAnswers"]
