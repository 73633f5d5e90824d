"""What hosts decide and do.

* ``alerts``       alerts to hosts, until they are delivered
* ``oversight``    all people at a glance; what hosts did
* ``permissions``  who is a host, who may use the bot and who may not; the record of what hosts did
* ``identities``   who people are, as their platforms show them
* ``statistics``   what the bot did in a time, and what it refused
* ``service``      whether a host has paused the drawing
"""
