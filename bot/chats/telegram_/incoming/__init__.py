"""Updates from Telegram: stored, parsed, carried out by the desk, and answered.

* ``poller``          the ``getUpdates`` loop, which stores a batch before it confirms it
* ``event_kinds``     the table of all update kinds and what the bot does with each
* ``updates``         what an update says, as frozen values
* ``parsing``         raw update → text, press, rejected message or ignored update
* ``handler``         parsed update → reply, sent with retries
* ``text_replies``    the reply to a message
* ``press_replies``   the reply to a press of a button
* ``press_answer``    the alert or the end of the spinner of a press
* ``inline``          the answers to inline queries
* ``outcomes``        the desk's outcome → the messages that show it
* ``desk_calls``      calls of the desk: few at once, long ones announced, private chats looked up
"""
