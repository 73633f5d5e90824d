"""What a job takes on this machine, in bytes and seconds, predicted from what earlier jobs took.

* ``book``    predicts and learns; keeps a model for each card, driver and plan
* ``model``   what was learned for one of them
* ``curves``  what holds between and beyond measured sizes, and before anything was measured
* ``file``    the book in a file
"""
