"""What belongs to a person: credits, jobs and linked identities.

* ``access``     which jobs a person may see and continue from
* ``ledger``     charges, refunds, the daily allowance, and the host's tiers
* ``gifts``      credits that one person gives another
* ``history``    the files of a person's jobs, and the credits left
* ``linking``    link identities of several platforms to one person by a code, and unlink them
* ``oversight``  what hosts see of everybody, and what hosts did
* ``attempts``   limits on wrong codes

Tests: ``pytest tests/unit/bot/desk/people``.
"""
