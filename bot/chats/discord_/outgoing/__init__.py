"""Messages to people on Discord: placeholders that are edited in place, results, answers to commands.

* ``address``        where an answer is, its states, and its JSON form in the database
* ``composing``      what an outcome or a result shows
* ``layout``         what a message shows, and its form as components
* ``sender``         sends and edits one message; makes text harmless
* ``attachments``    pictures as files that fit into a message
* ``edit_throttle``  limits how often a placeholder is edited
* ``placeholders``   the answers of jobs that wait or run
* ``delivery``       answers to commands and results of jobs
"""
