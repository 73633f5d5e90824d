"""The use cases that continue from a job, and what happens to a job after its end.

* ``continuation``  from which job a request continues, and whether its start picture exists
* ``derivation``    what a command changes of that job
* ``sources``       the pictures that drawings begin with
* ``pictures``      one picture of a batch alone
* ``editing``       the text that asks for a job again
* ``offers``        what the controls of pictures offer
* ``sharing``       publishes, deletes and reports a job
* ``deletion``      deletes the files of deleted jobs
* ``messages``      deletes the messages that show deleted jobs

Tests: ``pytest tests/unit/bot/desk/iterating``.
"""
