"""Events from Discord: sorted, stored, parsed, handled and answered.

* ``event_kinds``    the table of every kind of event: how the bot answers it, or why it ignores it
* ``inbox``          stores an event before it is acknowledged, so a crash loses none
* ``parsing``        turns interactions into commands with their context; ``message_parsing`` plain messages
* ``forms``          forms (modals): what they ask, and the command of a sent one
* ``message_menus``  the context menus of messages, and which job a message shows
* ``suggestions``    suggests values while a person types an option
* ``interactions``   answers slash commands and buttons
* ``acknowledgement``  the first response to an interaction: the answer follows
* ``text_messages``  answers plain messages
* ``in_progress``    the answers that a stop waits for, and those that it ends
"""
