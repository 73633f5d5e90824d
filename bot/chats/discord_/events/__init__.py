"""What arrives from Discord, what becomes of each kind, and the answers to plain messages.

* ``kinds``     the table: every kind of event, and how it is answered or why it is ignored
* ``messages``  reads a message: who says what, where, in which language
* ``replies``   answers messages
"""
