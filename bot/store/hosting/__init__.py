"""What hosts decide and do.

* ``permissions``  who is a host, who may use the bot and who may not; the record of what hosts did
"""
