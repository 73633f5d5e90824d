"""What the text behind a command, or the options of a menu, become.

* ``drawing``  what is to be drawn
* ``sheets``   comparisons, drafts, and what is adopted from them
* ``asking``   settings of a person, presets
* ``hosting``  what hosts say about people and the queue
"""
