"""Answers that survive a crash: the desk handles a stored event once, and gives the same answer each time.

* ``stored``    handles a command and stores its answer in the same transaction
* ``encoding``  outcomes and refusals as JSON, from a closed set of classes

A crash between the effect and ``Desk.finish_event`` leaves the answer in the inbox; the next start sends it.
Tests: ``pytest tests/unit/bot/desk/answers``.
"""
