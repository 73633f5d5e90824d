"""The messages about what people find again.

* ``history``  pages of jobs, and favourites
* ``recipes``  recipe codes, and the settings of a picture file
"""
