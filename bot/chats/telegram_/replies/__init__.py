"""What answers an event: ``reply`` is a list of messages to send, and each other module makes one kind.

* ``reply``     messages that are sent in order, each until it arrived
* ``presses``   presses of buttons; a refusal is an alert that only the presser sees
* ``pictures``  the pictures of ``/mine`` and the files of a job
* ``reach``     whether the bot may write to a person in private
"""
