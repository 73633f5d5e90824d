"""Messages to people on Telegram: placeholders, results, pictures that are sent again.

* ``delivery``              results of jobs
* ``resending``             pictures that people ask for again
* ``deletion``              messages of a job that its person deleted
* ``placeholders``          progress in placeholder messages
* ``placeholder_registry``  the placeholders that are being sent
* ``sender``                texts, pictures and albums: edit or send, topics, migrated groups
* ``reactions``             marks on requests in groups, instead of messages
* ``uploads``               pictures as they are sent, with Telegram's ids of them
* ``keyboards``             the buttons under messages
* ``texts``                 Telegram's limits of a text
* ``reply``                 the messages that answer one update, sent in order
"""
