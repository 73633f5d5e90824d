"""The messages about what people find again.

* ``history``  pages of jobs, favourites, the export
* ``recipes``  recipe codes, and the settings of a picture file
"""
