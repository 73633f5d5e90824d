"""What the text behind a command, or the options of a menu, become.

* ``drawing``  what is to be drawn
* ``asking``   settings of a person, presets
"""
