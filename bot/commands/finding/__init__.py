"""Finding again: recipe codes, and the parsers of the commands.

* ``codes``    recipe codes: made, written, read with typos noticed, found inside a text
* ``parsing``  typed text and menu options → ``/mine``, ``/favourite``, ``/recipe``, ``/info``, ``/export``
"""
