"""What hosts read, and what people read of what hosts decided.

* ``alerts``    what is wrong with the bot, and that it is over
* ``refusals``  refusals of the commands of hosts, and of banned people
"""
