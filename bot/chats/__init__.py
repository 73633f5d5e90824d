"""Chats: each adapter translates a platform's messages into commands, and our answers into its messages.

* ``contract``    the interfaces of a chat and of the desk
* ``supervisor``  opens chats, and opens them again after a failure
* ``event_table`` one type for the adapters' tables of events
* ``replies``     what a reply to a message with a picture asks for
* ``second_press`` the second press that a button needs whose work cannot be undone
* ``discord_``, ``telegram_``, ``web``, ``console``  the adapters
"""
