"""What hosts read, and what people read of what hosts decided.

* ``refusals``  refusals of the commands of hosts, and of banned people
"""
