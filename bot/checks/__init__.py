"""Checks of a set-up, which ``run`` makes before the start and ``doctor`` prints.

* ``checks``   findings about the settings, the card, the shelf and the data folder
* ``folders``  whether a folder is writable
"""
