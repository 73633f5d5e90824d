"""What hosts read, and what people read of what hosts decided.

* ``alerts``    what is wrong with the bot, and that it is over
* ``claim``     the claim of the bot by its first host
* ``oversight`` all people, and what hosts did
* ``people``    who waits, who is excluded, who is served
* ``statistics``  what the bot did in the last days
* ``diagnosis``  what a running bot finds of itself
* ``service``   whether the bot draws and takes requests; the answer to ``/status``
* ``refusals``  refusals of the commands of hosts, and of banned people
"""
