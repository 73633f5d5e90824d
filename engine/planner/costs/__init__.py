"""What a job takes on this machine, in bytes and seconds, predicted from what earlier jobs took.

* ``book``    predicts and learns; keeps what was learned for each card, driver and plan
* ``priors``  what holds before anything was measured
* ``file``    the book in a file
"""
