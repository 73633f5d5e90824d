"""What the desk tells those who run the bot.

* ``alerts``  what is wrong, and that it is over
"""
